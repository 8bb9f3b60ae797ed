//! Trusting the certificates that a user names: authorities, and servers that vouch for themselves.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_platform_verifier::Verifier;

/// Trusts the certificates of the PEM text `authorities` beside the system's. `identity` is the PEM text of a client
/// certificate and its key.
pub(super) fn trusting(
    authorities: &[u8],
    identity: Option<&[u8]>,
) -> Result<ClientConfig, String> {
    let named = certificates(authorities)?;
    if named.is_empty() {
        return Err("there is no PEM certificate in it".to_owned());
    }
    let provider = Arc::new(default_provider());
    let verifier = OwnCertificates {
        authorities: Verifier::new_with_extra_roots(named.clone(), Arc::clone(&provider))
            .map_err(|error| error.to_string())?,
        named,
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match identity {
        Some(pem) => {
            let key = PrivateKeyDer::from_pem_slice(pem).map_err(|error| error.to_string())?;
            builder
                .with_client_auth_cert(certificates(pem)?, key)
                .map_err(|error| error.to_string())?
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Result<_, pem::Error> = CertificateDer::pem_slice_iter(pem).collect();
    certificates.map_err(|error| error.to_string())
}

/// A certificate made with `openssl req -x509` is one of an authority, which by the rules (RFC 5280, section 4.2.1.9)
/// is none for a server. Docker takes it where it is the very one that was named, and so does this.
#[derive(Debug)]
struct OwnCertificates {
    authorities: Verifier,
    named: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for OwnCertificates {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.authorities.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verdict {
            // Its time is looked at before its kind, so it has not ended; its name is still to be looked at.
            Err(Error::InvalidCertificate(CertificateError::Other(_)))
                if self.named.iter().any(|named| named == end_entity) =>
            {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authorities.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authorities.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.supported_verify_schemes()
    }
}

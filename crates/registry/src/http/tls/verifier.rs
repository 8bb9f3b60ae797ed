//! Whom to trust: the system's certificates, those that a user names, and servers that vouch for themselves; or anyone.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, SignatureScheme,
};
use rustls_native_certs::load_native_certs;
use rustls_platform_verifier::Verifier;

use super::certificate::{Untrusted, is_in_time};

/// A client certificate and its key.
pub(crate) struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// What is in a PEM text.
    pub(crate) fn from_pem(pem: &[u8]) -> Result<Self, String> {
        let chain = certificates(pem)?;
        if chain.is_empty() {
            return Err("there is no PEM certificate in it".to_owned());
        }
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
            pem::Error::NoItemsFound => "there is no PEM private key in it".to_owned(),
            other => other.to_string(),
        })?;
        Ok(Self { chain, key })
    }
}

/// Trusts the certificates `named` beside the system's.
pub(crate) fn trusting(
    named: Vec<CertificateDer<'static>>,
    identity: Option<Identity>,
) -> Result<ClientConfig, String> {
    let verifier = CertificateVerifier {
        authorities: Verifier::new_with_extra_roots(named.clone(), Arc::new(default_provider()))
            .map_err(|error| error.to_string())?,
        named,
        system: OnceLock::new(),
    };
    config(Arc::new(verifier), identity)
}

/// Trusts whoever answers.
pub(crate) fn trusting_anyone(identity: Option<Identity>) -> Result<ClientConfig, String> {
    config(Arc::new(AnyCertificate), identity)
}

fn config(
    verifier: Arc<dyn ServerCertVerifier>,
    identity: Option<Identity>,
) -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match identity {
        Some(Identity { chain, key }) => builder
            .with_client_auth_cert(chain, key)
            .map_err(|error| error.to_string())?,
        None => builder.with_no_client_auth(),
    };
    // No HTTP/2: all blobs of a host would share the window of one TCP connection.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The certificates of a PEM text.
pub(crate) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Result<_, pem::Error> = CertificateDer::pem_slice_iter(pem).collect();
    certificates.map_err(|error| error.to_string())
}

/// A certificate made with `openssl req -x509` is one of an authority, which by the rules (RFC 5280, section 4.2.1.9)
/// is none for a server. Docker and whatever else is written in Go takes a server's certificate where it is the very one
/// that was named or that is in the system's store, whoever issued it, and so does this.
#[derive(Debug)]
struct CertificateVerifier {
    authorities: Verifier,
    named: Vec<CertificateDer<'static>>,
    /// Read when a server is met that the authorities do not vouch for, as hardly any is.
    system: OnceLock<Vec<CertificateDer<'static>>>,
}

impl CertificateVerifier {
    fn has(&self, certificate: &CertificateDer<'_>) -> bool {
        let system = || self.system.get_or_init(|| load_native_certs().certs);
        self.named.iter().any(|named| named == certificate)
            || system().iter().any(|known| known == certificate)
    }
}

impl ServerCertVerifier for CertificateVerifier {
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
        let reason = match verdict {
            // Only where the issuer is what is wrong: that verdict may come before time and name are looked at, so both
            // are here.
            Err(Error::InvalidCertificate(
                CertificateError::Other(_) | CertificateError::UnknownIssuer,
            )) if self.has(end_entity) && is_in_time(end_entity, now) => {
                let name = ParsedCertificate::try_from(end_entity)
                    .and_then(|parsed| verify_server_name(&parsed, server_name));
                match name {
                    Ok(()) => return Ok(ServerCertVerified::assertion()),
                    Err(Error::InvalidCertificate(reason)) => reason,
                    Err(other) => return Err(other),
                }
            }
            Err(Error::InvalidCertificate(reason)) => reason,
            verdict => return verdict,
        };
        let untrusted = Untrusted::new(&reason, end_entity);
        Err(Error::InvalidCertificate(CertificateError::Other(
            OtherError(Arc::new(untrusted)),
        )))
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

/// Takes every certificate, and every signature: it is of no use to know that a server has the key of a certificate that
/// says nothing.
#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![
            SignatureScheme::RSA_PKCS1_SHA1,
            SignatureScheme::RSA_PKCS1_SHA256,
            SignatureScheme::RSA_PKCS1_SHA384,
            SignatureScheme::RSA_PKCS1_SHA512,
            SignatureScheme::RSA_PSS_SHA256,
            SignatureScheme::RSA_PSS_SHA384,
            SignatureScheme::RSA_PSS_SHA512,
            SignatureScheme::ECDSA_SHA1_Legacy,
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::ECDSA_NISTP384_SHA384,
            SignatureScheme::ECDSA_NISTP521_SHA512,
            SignatureScheme::ED25519,
            SignatureScheme::ED448,
        ]
    }
}

//! Where a program serves HTTP, and how, as its command line says.

use std::fmt;
use std::path::PathBuf;

use clap::Args;

use super::tls::TlsFiles;

/// The help of `--listen`, which all commands have that work on jobs.
const LISTEN: &str = "Serve /livez, /readyz and Prometheus /metrics here, as on 127.0.0.1:9090 [default: not served]";

/// Where the program serves HTTP, `HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address(pub(super) String);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Understands the value of `--listen`.
pub(crate) fn address(text: &str) -> Result<Address, String> {
    let parts = text.rsplit_once(':');
    let valid = parts.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    let expected = || "expected HOST:PORT, as in 127.0.0.1:9090 or [::]:9090".to_owned();
    valid.then(|| Address(text.to_owned())).ok_or_else(expected)
}

/// Options of commands that may serve HTTP.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ListenArgs {
    #[arg(long, value_name = "HOST:PORT", value_parser = address, help = LISTEN)]
    pub(crate) listen: Option<Address>,
    /// PEM file with the certificate of the server and those that signed it: serve HTTPS; read again when it changes
    #[arg(long, value_name = "FILE", requires_all = ["listen", "tls_key"])]
    tls_cert: Option<PathBuf>,
    /// PEM file with its key
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// PEM file with the authorities whose client certificates are trusted
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    client_ca: Option<PathBuf>,
}

impl ListenArgs {
    /// The files of HTTPS, if it is to be served.
    pub(super) fn tls(&self) -> Option<TlsFiles> {
        Some(TlsFiles {
            cert: self.tls_cert.clone()?,
            key: self.tls_key.clone()?,
            client_ca: self.client_ca.clone(),
        })
    }

    /// Whether client certificates are trusted at all.
    pub(crate) fn trusts_clients(&self) -> bool {
        self.client_ca.is_some()
    }

    #[cfg(test)]
    pub(crate) fn at(text: &str) -> Self {
        Self {
            listen: address(text).ok(),
            ..Self::default()
        }
    }

    #[cfg(test)]
    pub(super) fn with_tls(text: &str, files: TlsFiles) -> Self {
        Self {
            tls_cert: Some(files.cert),
            tls_key: Some(files.key),
            client_ca: files.client_ca,
            ..Self::at(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_a_port() {
        for text in ["127.0.0.1:9090", "[::1]:0", "localhost:80"] {
            assert_eq!(address(text).unwrap().to_string(), text);
        }
        for text in ["9090", ":9090", "localhost", "localhost:http", "a:65536"] {
            assert!(address(text).unwrap_err().contains("HOST:PORT"), "{text}");
        }
    }
}

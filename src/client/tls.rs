//! Whose certificates are taken, and what of them is checked; for servers and for databases.
//!
//! A file of certificates is trusted as OpenSSL, and so MLflow's own client, trusts it: its certificates sign others, and each
//! of them may be the server's own, as the plainest self-signed one is. Names and times are checked all the same.

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, InconsistentKeys, RootCertStore,
    SignatureScheme,
};
use std::path::Path;
use std::sync::Arc;

/// What of a server's certificate is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    /// Nothing: the connection is encrypted, with whomever.
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "for databases"))]
    Nothing,
    /// Who signed it, and when.
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "for databases"))]
    Signer,
    /// Its name, too.
    SignerAndName,
}

/// How to set TLS up.
pub(crate) struct TlsFiles<'a> {
    /// Certificates that are trusted.
    pub trusted: Option<&'a Path>,
    /// The client's own certificate and its key; the key may stand in the certificate's file.
    pub own: Option<(&'a Path, &'a Path)>,
}

/// A setup of TLS.
///
/// # Errors
/// A file cannot be read, or holds no certificate; a sentence.
pub(crate) fn config(files: &TlsFiles<'_>, check: Check) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let trusted = files.trusted.map(certificates).transpose()?.unwrap_or_default();
    let verifier = Verifier::new(trusted, check, &provider)?;
    let keys = provider.key_provider;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let Some((certificate, key)) = files.own else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = certificates(certificate)?;
    let key_der = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| format!("cannot use key file `{}`: {error}", key.display()))?;
    let key_der = keys.load_private_key(key_der);
    let key_der = key_der.map_err(|error| format!("cannot use key file `{}`: {error}", key.display()))?;
    // As it is: rustls itself would read it first, and knows no certificates of version 1, which plain OpenSSL makes.
    let own = CertifiedKey::new(chain, key_der);
    if let Err(error @ Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) = own.keys_match() {
        return Err(format!(
            "cannot use certificate file `{}`: {error}",
            certificate.display()
        ));
    }
    Ok(builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(own))))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let bad = |detail: String| format!("cannot use certificate file `{}`: {detail}", path.display());
    let bytes = std::fs::read(path).map_err(|error| bad(error.to_string()))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let found = found.map_err(|error| bad(error.to_string()))?;
    if found.is_empty() {
        return Err(bad("there is no PEM certificate in it".to_owned()));
    }
    Ok(found)
}

/// Checks certificates.
#[derive(Debug)]
struct Verifier {
    check: Check,
    trusted: Vec<CertificateDer<'static>>,
    chains: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn new(
        trusted: Vec<CertificateDer<'static>>,
        check: Check,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(trusted.iter().cloned());
        let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
        let chains = match (chains, check) {
            (_, Check::Nothing) => None,
            (Ok(chains), _) => Some(chains),
            (Err(error), _) => return Err(format!("the trusted certificates cannot be used: {error}")),
        };
        Ok(Verifier {
            check,
            trusted,
            chains,
            provider: provider.clone(),
        })
    }

    /// Of a certificate that is trusted itself: whether it is one of this name. Its times were looked at before it was found
    /// to be that of a signer, which no server's may be in the web's rules.
    fn is_trusted_itself(&self, certificate: &CertificateDer<'_>, error: &Error) -> bool {
        let is_signer = match error {
            Error::InvalidCertificate(CertificateError::Other(other)) => {
                format!("{other:?}").contains("CaUsedAsEndEntity")
            }
            _ => false,
        };
        is_signer
            && self
                .trusted
                .iter()
                .any(|trusted| trusted.as_ref() == certificate.as_ref())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(chains) = &self.chains else {
            return Ok(ServerCertVerified::assertion());
        };
        let verified = chains.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        let error = match verified {
            Ok(verified) => return Ok(verified),
            Err(error) => error,
        };
        if self.is_trusted_itself(end_entity, &error) {
            if self.check == Check::SignerAndName {
                rustls::client::verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
            }
            return Ok(ServerCertVerified::assertion());
        }
        let is_of_name = matches!(
            error,
            Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
            )
        );
        match self.check {
            Check::Signer if is_of_name => Ok(ServerCertVerified::assertion()),
            _ => Err(error),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

//! The names in a client's certificate, which rustls has verified.

use rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

/// The common name of the subject, and the DNS names, mail addresses and URIs beside it, in lower case; none if it cannot be
/// read.
pub(super) fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, certificate)) = parse_x509_certificate(certificate) else { return Vec::new() };
    let common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let alternative = alternative.iter().flat_map(|extension| &extension.value.general_names);
    let alternative = alternative.filter_map(|name| match name {
        GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => Some(*name),
        _ => None,
    });
    common.chain(alternative).map(str::to_ascii_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    #[test]
    fn a_client_is_known_by_its_common_name_and_its_other_names() {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(["Hooks.Example.com".to_owned()]).expect("a name");
        params.distinguished_name.push(DnType::CommonName, "Partner 7");
        let certificate = params.self_signed(&key).expect("a certificate");
        assert_eq!(names(certificate.der()), ["partner 7", "hooks.example.com"]);
        assert!(names(&CertificateDer::from(vec![0x30, 0x03, 1, 2, 3])).is_empty());
    }
}

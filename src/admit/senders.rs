//! Who may send as far as the connection tells: addresses, rates, the names in the client's certificate.

use std::net::IpAddr;
use std::time::Instant;

use ipnet::IpNet;

use super::rate::{AddressRate, Rate};
use crate::config::{Auth, SendersConfig};
use crate::refusal::Refusal;

/// What a source demands of the connection that a request comes by.
pub(crate) struct Senders {
    allow: Vec<IpNet>,
    deny: Vec<IpNet>,
    client_names: Vec<String>,
    rate: Option<Rate>,
    address_rate: Option<AddressRate>,
}

/// What the connection tells of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sender<'r> {
    /// From where it comes.
    pub(crate) address: IpAddr,
    /// The names in the certificate of the client, `None` if it has shown none.
    pub(crate) names: Option<&'r [String]>,
    /// When it came.
    pub(crate) at: Instant,
}

impl Senders {
    /// The demands of a source.
    pub(crate) fn new(config: &SendersConfig, auth: &Auth) -> Self {
        let start = Instant::now();
        Self {
            allow: config.allow.clone(),
            deny: config.deny.clone(),
            client_names: auth.client_names.clone(),
            rate: config.max_rate.map(|rate| Rate::new(rate, start)),
            address_rate: config.max_rate_per_address.map(|rate| AddressRate::new(rate, start)),
        }
    }

    /// Decides before anything else is looked at. An address pays for every request; the source's own rate is not used up by
    /// what is not proven yet, or strangers could keep an honest sender out.
    pub(crate) fn check(&self, sender: Sender<'_>) -> Result<(), Refusal> {
        let is_in = |networks: &[IpNet]| networks.iter().any(|network| network.contains(&sender.address));
        // Whom no proxy names may be one who is denied.
        let is_denied = is_in(&self.deny) || !self.deny.is_empty() && sender.address.is_unspecified();
        if is_denied || !(self.allow.is_empty() || is_in(&self.allow)) {
            return Err(Refusal::AddressNotAllowed);
        }
        if self.address_rate.as_ref().is_some_and(|rate| !rate.take(sender.address, sender.at)) {
            return Err(Refusal::OverRate);
        }
        self.check_names(sender.names)?;
        if self.rate.as_ref().is_some_and(|rate| rate.is_exhausted(sender.at)) {
            return Err(Refusal::OverRate);
        }
        Ok(())
    }

    /// Takes a proven event into the source's rate.
    pub(crate) fn count(&self, at: Instant) -> Result<(), Refusal> {
        if self.rate.as_ref().is_some_and(|rate| !rate.take(at)) { Err(Refusal::OverRate) } else { Ok(()) }
    }

    /// Whether the connection itself must prove something.
    pub(crate) fn want_certificate(&self) -> bool {
        !self.client_names.is_empty()
    }

    fn check_names(&self, names: Option<&[String]>) -> Result<(), Refusal> {
        if self.client_names.is_empty() {
            return Ok(());
        }
        let names = names.ok_or(Refusal::MissingCertificate)?;
        let is_known = names.iter().any(|name| self.client_names.contains(name));
        if is_known { Ok(()) } else { Err(Refusal::WrongCertificate) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(address: &str) -> Sender<'static> {
        Sender { address: address.parse().expect("an address"), names: None, at: Instant::now() }
    }

    fn networks(networks: &[&str]) -> Vec<IpNet> {
        networks.iter().map(|network| network.parse().expect("a network")).collect()
    }

    #[test]
    fn an_address_must_be_allowed_and_not_denied() {
        let config = SendersConfig {
            allow: networks(&["192.0.2.0/24", "2001:db8::/32"]),
            deny: networks(&["192.0.2.66/32"]),
            ..SendersConfig::default()
        };
        let senders = Senders::new(&config, &Auth::default());
        for allowed in ["192.0.2.1", "2001:db8:1::1"] {
            assert_eq!(senders.check(sender(allowed)), Ok(()), "{allowed}");
        }
        for not in ["192.0.2.66", "192.0.3.1", "2001:db9::1", "0.0.0.0"] {
            assert_eq!(senders.check(sender(not)), Err(Refusal::AddressNotAllowed), "{not}");
        }
        let some_are_denied = SendersConfig { deny: networks(&["192.0.2.66/32"]), ..SendersConfig::default() };
        let senders = Senders::new(&some_are_denied, &Auth::default());
        assert_eq!(senders.check(sender("192.0.2.1")), Ok(()));
        for unknown in ["0.0.0.0", "::"] {
            assert_eq!(senders.check(sender(unknown)), Err(Refusal::AddressNotAllowed), "{unknown}");
        }
    }

    #[test]
    fn a_certificate_must_have_one_of_the_names() {
        let auth = Auth { client_names: vec!["partner".into(), "proxy.example.com".into()], ..Auth::default() };
        let senders = Senders::new(&SendersConfig::default(), &auth);
        let check = |names: Option<&[String]>| senders.check(Sender { names, ..sender("192.0.2.1") });
        assert_eq!(check(None), Err(Refusal::MissingCertificate));
        assert_eq!(check(Some(&[])), Err(Refusal::WrongCertificate));
        assert_eq!(check(Some(&["example.com".into()])), Err(Refusal::WrongCertificate));
        assert_eq!(check(Some(&["other".into(), "proxy.example.com".into()])), Ok(()));
    }

    #[test]
    fn what_is_not_proven_does_not_use_up_the_sources_rate() {
        let config = SendersConfig { max_rate: Some(1), ..SendersConfig::default() };
        let senders = Senders::new(&config, &Auth::default());
        let one = sender("192.0.2.1");
        assert!((0..10).all(|_| senders.check(one) == Ok(())));
        assert_eq!(senders.count(one.at), Ok(()));
        assert_eq!(senders.check(one), Err(Refusal::OverRate));
        assert_eq!(senders.count(one.at), Err(Refusal::OverRate));
    }
}

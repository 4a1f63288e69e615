//! Signing as a provider does, by the gateway's own presets. The one file that knows them.

use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use hookgate::config::{Place, Pointer, Preset, Proof, Scheme, Secret, SignedPart, preset};
use hookgate::{Message, Signer};
use http::{HeaderName, HeaderValue};

/// A preset with a secret.
pub(crate) struct Signing {
    preset: &'static Preset,
    signer: Signer,
}

/// Where a preset has its delivery id, and what that means for sending a request again as another.
pub(crate) enum IdPlace<'preset> {
    /// In this header, which no signature covers: it can be changed in place.
    Header(&'preset HeaderName),
    /// In a header that the signature covers.
    SignedHeader,
    /// In this member of the body.
    Body(&'preset Pointer),
    /// Nowhere.
    None,
}

impl Signing {
    /// Signs by the preset of this name.
    pub(crate) fn new(name: &str, secret: Vec<u8>) -> anyhow::Result<Self> {
        let preset = preset(name)
            .with_context(|| format!("there is no preset {name:?}: `hookgate presets` lists those there are"))?;
        let signer = Signer::preset(preset, &Secret::new(secret))
            .with_context(|| format!("the secret does not suit preset {name:?}"))?;
        Ok(Self { preset, signer })
    }

    /// The headers of a request with this body: signature, timestamp, type and id, as far as the preset has them.
    pub(crate) fn headers(
        &self,
        body: &[u8],
        event_type: &str,
        id: &str,
        now: SystemTime,
    ) -> Vec<(HeaderName, HeaderValue)> {
        self.signer.headers(&Message { body, event_type: Some(event_type), id, now })
    }

    /// Where the delivery id is.
    pub(crate) fn id(&self) -> IdPlace<'_> {
        for locator in &self.preset.delivery_id {
            match &locator.place {
                Place::Header(name) if self.signs(name) => return IdPlace::SignedHeader,
                Place::Header(name) => return IdPlace::Header(name),
                Place::Json(pointer) => return IdPlace::Body(pointer),
                // What is sent here is JSON, and its path the user's.
                Place::Path(_)
                | Place::Query(_)
                | Place::Form(_)
                | Place::Xml(_)
                | Place::CloudEvent(_)
                | Place::Constant(_) => {}
            }
        }
        IdPlace::None
    }

    /// How far a signed timestamp may be from the receiver's clock, if the scheme has one.
    pub(crate) fn tolerance(&self) -> Option<Duration> {
        self.scheme()?.timestamp.as_ref().map(|stamp| stamp.tolerance)
    }

    fn signs(&self, header: &HeaderName) -> bool {
        let signed = self.scheme().map(|scheme| scheme.signed.as_slice()).unwrap_or_default();
        signed.iter().any(|part| matches!(part, SignedPart::Header(name) if name == header))
    }

    fn scheme(&self) -> Option<&Scheme> {
        match &self.preset.proof {
            Proof::Signature(scheme) => Some(scheme),
            _ => None,
        }
    }
}

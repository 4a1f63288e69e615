//! The sending side of schemes that put signature, timestamp or token into the body.

use serde_json::Value;

use super::AdmissionError;
use super::sign::{Message, SenderProof, Signer};
use crate::config::{Pointer, SignaturePlace, StampPlace, TokenPlace};

impl Signer {
    /// The body with what the provider puts into it; `None` if it leaves the body alone.
    pub fn body(&self, message: &Message<'_>) -> Result<Option<Vec<u8>>, AdmissionError> {
        let (token, signature_at, each) = match &self.proof {
            SenderProof::Token(TokenPlace::Header(_), _) | SenderProof::Jwt(_) | SenderProof::Nothing => {
                return Ok(None);
            }
            SenderProof::Token(TokenPlace::Json { pointer, each }, secret) => {
                let text = String::from_utf8_lossy(secret.expose()).into_owned();
                (Some((pointer, text)), None, each.as_ref())
            }
            SenderProof::Signature(signature, _) => match &signature.scheme.place {
                SignaturePlace::Json(pointer) => (None, Some(pointer), signature.scheme.each.as_ref()),
                SignaturePlace::Headers(_) => (None, None, signature.scheme.each.as_ref()),
            },
        };
        let stamp_at = match self.stamp_place() {
            Some(StampPlace::Json(pointer)) => Some(pointer),
            _ => None,
        };
        if token.is_none() && signature_at.is_none() && stamp_at.is_none() {
            return Ok(None);
        }
        let stamp = self.stamp(message.now);
        let mut document: Value = serde_json::from_slice(message.body).map_err(|_| AdmissionError::NoPlaceInBody)?;
        for item in items(&mut document, each)? {
            if let Some(pointer) = stamp_at {
                put(item, pointer, &stamp)?;
            }
            if let Some((pointer, text)) = &token {
                put(item, pointer, text)?;
            }
            if let Some(pointer) = signature_at {
                let text = self.whole_signature((item, message.body), &stamp, &[]);
                put(item, pointer, &text)?;
            }
        }
        Ok(Some(document.to_string().into_bytes()))
    }
}

/// The body, or the items of a list in it.
fn items<'v>(document: &'v mut Value, each: Option<&Pointer>) -> Result<Vec<&'v mut Value>, AdmissionError> {
    let Some(list) = each else { return Ok(vec![document]) };
    let found = document.pointer_mut(&list.to_string()).and_then(Value::as_array_mut);
    found.map(|items| items.iter_mut().collect()).ok_or(AdmissionError::NoPlaceInBody)
}

/// Puts a text where a pointer points, and the objects on the way if they are not there.
fn put(item: &mut Value, pointer: &Pointer, text: &str) -> Result<(), AdmissionError> {
    let mut place = item;
    for segment in &pointer.0 {
        let members = place.as_object_mut().ok_or(AdmissionError::NoPlaceInBody)?;
        place = members.entry(segment.clone()).or_insert_with(|| Value::Object(serde_json::Map::new()));
    }
    *place = Value::String(text.to_owned());
    Ok(())
}

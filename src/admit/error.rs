//! What keeps a source's authentication from being compiled. The checks of the configuration find all of it earlier and say
//! where it is written; whoever builds the values in Rust meets it here.

use thiserror::Error;

/// A signature scheme or credential that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AdmissionError {
    /// A secret is not of the form the scheme demands.
    #[error("secret {nth} of the signature is not {form}: check that it was copied whole, as the provider shows it")]
    UndecodableKey {
        /// Which of the source's secrets, counted from 1.
        nth: usize,
        /// What it should be.
        form: &'static str,
    },
    /// A secret without a byte in it would let anybody in.
    #[error("secret {nth} of {of} is empty: give it a value, or leave {of} out")]
    EmptySecret {
        /// Which of the secrets, counted from 1.
        nth: usize,
        /// What it is a secret of.
        of: &'static str,
    },
    /// Nobody could ever be admitted.
    #[error("{of} has no secret: give it at least one")]
    NoSecret {
        /// What has none.
        of: &'static str,
    },
    /// What is signed leaves out the body without saying so, or repeats it.
    #[error(
        "the signed text must contain the body exactly once, or say that it covers a part only; here it is there {times} times"
    )]
    BodyNotOnce {
        /// How often it is there.
        times: usize,
    },
    /// A sender cannot be played with the public key that the receiver has.
    #[error("this provider signs with a private key that only it has, so nobody else can sign for it")]
    NoMac,
    /// A sender signs with a private key, and this is none.
    #[error(
        "this provider signs with a private key: give one of {algorithm} in PEM (of ed25519 also its 32 bytes in hexadecimal), whose public key is the secret of the source"
    )]
    UnfitPrivateKey {
        /// What it should be for.
        algorithm: String,
    },
    /// A message whose body carries the signature must be JSON.
    #[error("the signature stands in the body, which must be a JSON object with the members that are signed")]
    NoPlaceInBody,
    /// Nothing is proven by a provider of this kind.
    #[error("this provider signs nothing: send the credentials that you gave it with --header")]
    SignsNothing,
    /// The provider's public URL is not known.
    #[error("the URL is signed: say under which public URL the gateway is known")]
    NoPublicUrl,
    /// A public key cannot be used with this algorithm.
    #[error("key {nth} is not a public key of {algorithm}: give it as PEM, or encoded as the provider shows it")]
    UnfitKey {
        /// Which of the source's keys, counted from 1.
        nth: usize,
        /// The algorithm.
        algorithm: String,
    },
    /// A timestamp is signed, and nothing says where it is.
    #[error("the signed text contains the timestamp: say where the timestamp is")]
    UnplacedTimestamp,
    /// The timestamp is looked for in a pair that cannot hold it.
    #[error(
        "the timestamp cannot be in the pair `{key}`: the signature header must consist of pairs, and another pair carry the signature"
    )]
    NoSuchPair {
        /// The key of the pair.
        key: String,
    },
    /// Basic and bearer credentials would have to stand in the same header.
    #[error("basic and bearer credentials both go into `Authorization`: leave one out, or give basic a URL parameter")]
    OneAuthorization,
    /// A signature header of this scheme would not be a valid header.
    #[error("the prefix, key or version of the signature, `{text}`, cannot stand in a header")]
    NotHeaderText {
        /// The text.
        text: String,
    },
}

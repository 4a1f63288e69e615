//! Which refusals are kept: those that a change of the configuration, or of a clock, can cure, of a sender that has shown
//! something to be judged by.

use crate::refusal::Refusal;

/// Whether a request that was refused for this may be right by another configuration.
#[expect(clippy::match_same_arms, reason = "each has its own reason")]
pub(crate) fn is_curable(refusal: Refusal) -> bool {
    match refusal {
        // The usual mistake: the secret here is not the one of the provider.
        Refusal::WrongSignature => true,
        // A header that holds no signature may hold anything, even the secret that somebody pasted there.
        Refusal::MalformedSignature => false,
        // A clock is wrong, or the tolerance too narrow for how late the provider sends.
        Refusal::StaleTimestamp | Refusal::FutureTimestamp => true,
        // The password, key or token here is not the one of the sender. It is removed, and the request let in by hand only.
        Refusal::WrongCredentials => true,

        // Shows nothing: to keep these would be to read the bodies of all who knock.
        Refusal::MissingSignature | Refusal::MissingCredentials => false,
        // No configuration makes one of two signatures, or a time of what is none.
        Refusal::AmbiguousSignature | Refusal::MalformedTimestamp => false,
        // The secret comes with the provider's first request, before its events.
        Refusal::SecretUnknown => false,
        // What keeps strangers out, and is meant to.
        Refusal::AddressNotAllowed | Refusal::MissingCertificate | Refusal::WrongCertificate => false,

        // Limits. The sender is to come again, and to send less.
        Refusal::TooManyAtOnce
        | Refusal::OverRate
        | Refusal::BodyTooLarge
        | Refusal::OverMemoryBudget
        | Refusal::OverMemoryShare
        | Refusal::InflatesTooMuch
        | Refusal::TooManyItems => false,
        // Proven, and not taken for want of room: the sender is to come again.
        Refusal::BacklogFull
        | Refusal::QueueFull
        | Refusal::JournalFull
        | Refusal::JournalFailed
        | Refusal::JournalBehind => false,
        // No whole request, or none for a source.
        Refusal::BadHost
        | Refusal::BadTransferEncoding
        | Refusal::UnsupportedTransferEncoding
        | Refusal::UnmetExpectation
        | Refusal::UnknownPath
        | Refusal::WrongMethod
        | Refusal::BodyTimeout
        | Refusal::BrokenBody => false,
        // Proven, and not what its own head, or `split`, says: what the sender sends is to be mended.
        Refusal::UnsupportedEncoding | Refusal::MalformedEncoding | Refusal::NotABatch => false,
    }
}

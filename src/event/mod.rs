//! An event: the bytes a provider sent, in one buffer, and where in it the parts lie.
//!
//! ```text
//! record  [ source | method | target | kept headers      | body                  | type, id ]
//!           github   POST     /hooks   name: value\r\n…    byte for byte as sent   unless they are slices of the body
//! ```
//!
//! An io thread takes a [`Draft`] from its [`RecordPool`], copies each frame of the body into it once, and seals it into an
//! [`Event`]: shared by reference, never changed again. When its last holder drops it, the buffer goes back to the pool it
//! came from, whichever thread that happens on.

mod budget;

mod id;

mod pool;

mod record;

mod sequence;

pub(crate) use budget::Budget;
pub(crate) use id::{IdSource, id_time};
pub(crate) use pool::{Draft, RecordPool};
pub use record::Event;
pub(crate) use record::{EventMeta, EventParts, Found, Piece};
pub(crate) use sequence::Sequence;

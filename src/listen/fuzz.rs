//! What must hold of any bytes that a connection begins with.

use super::proxy::{client, missing, taken};

/// What may be read at once.
const AHEAD: usize = 512;

/// The header of the PROXY protocol is read as from a socket that has all of `data` ready: to an end, and no byte behind it.
pub(crate) fn proxy_header(data: &[u8]) {
    let mut read = 0;
    loop {
        let header = data.get(..read).expect("what was read");
        let Ok(wanted) = missing(header) else { return };
        let Some(wanted) = wanted else { break };
        assert!(wanted > 0, "nothing is missing of {}", header.escape_ascii());
        let rest = data.get(read..).expect("what was not read");
        let seen = rest.get(..rest.len().min(wanted).min(AHEAD)).expect("a part of the rest");
        let taken = taken(header, seen);
        assert!(taken <= seen.len(), "{taken} bytes of {}", seen.len());
        if taken == 0 {
            return;
        }
        read += taken;
    }
    let header = data.get(..read).expect("what was read");
    assert!(read <= 4096, "{read} bytes");
    if client(header).is_ok() && header.starts_with(b"PROXY ") {
        let end = header.iter().position(|byte| *byte == b'\n');
        assert_eq!(end, Some(read - 1), "{}", header.escape_ascii());
        assert!(read <= 107, "{read} bytes");
    }
}

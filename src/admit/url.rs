//! The URL as a provider may have signed it: the public one, which is not the one this process is asked for.

use http::Uri;

/// The spellings under which a provider may have signed a URL: as configured; without its port; with the port that its
/// scheme implies; and, where there is no path, without the slash that a request must have.
pub(super) fn spellings(public_url: &str, uri: &Uri) -> Vec<String> {
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let mut origins = vec![public_url.to_owned()];
    if let Some((before, port)) = split_port(public_url) {
        match port {
            Some(_) => origins.push(before.to_owned()),
            None if public_url.starts_with("https:") => origins.push(format!("{before}:443")),
            None => origins.push(format!("{before}:80")),
        }
    }
    let with_target = origins.iter().map(|origin| format!("{origin}{target}"));
    let mut urls: Vec<String> = with_target.collect();
    if target == "/" {
        urls.extend(origins);
    }
    urls
}

/// What stands before the query.
pub(super) fn without_query(url: &str) -> &str {
    url.split_once('?').map_or(url, |(before, _)| before)
}

/// Scheme and host, and the port if there is one. A colon before an `@` or within brackets is none of a port.
fn split_port(origin: &str) -> Option<(&str, Option<&str>)> {
    let authority_at = origin.find("://")? + 3;
    let authority = origin.get(authority_at..)?;
    let host_at = authority_at + authority.rfind('@').map_or(0, |at| at + 1);
    let host = origin.get(host_at..)?;
    let port_at = host.rfind(':').filter(|at| !host.get(*at..).unwrap_or_default().contains(']'));
    Some(match port_at {
        Some(at) => (origin.get(..host_at + at)?, host.get(at + 1..)),
        None => (origin, None),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_tried_with_and_without() {
        let of = |origin: &str, target: &'static str| spellings(origin, &Uri::from_static(target));
        assert_eq!(of("https://a.b", "/x?y=1"), ["https://a.b/x?y=1", "https://a.b:443/x?y=1"]);
        assert_eq!(of("http://u:p@a.b", "/x"), ["http://u:p@a.b/x", "http://u:p@a.b:80/x"]);
        assert_eq!(of("https://[::1]:8", "/x"), ["https://[::1]:8/x", "https://[::1]/x"]);
        assert_eq!(of("https://[::1]", "/x"), ["https://[::1]/x", "https://[::1]:443/x"]);
    }

    #[test]
    fn a_url_without_a_path_is_tried_as_such() {
        assert!(spellings("https://a.b", &Uri::from_static("/")).contains(&"https://a.b".to_owned()));
    }
}

//! Paths and queries: with the cursor in it, with another parameter, of the page that a server names.

use http::Uri;

use super::trouble::Trouble;

/// What is asked for first. Without a cursor the parameters that want one are left out.
pub(super) fn first(url: &Uri, cursor: Option<&str>) -> String {
    let parameters = url.query().unwrap_or_default().split('&').filter(|parameter| !parameter.is_empty());
    let filled = parameters.filter_map(|parameter| match (parameter.contains(HOLE), cursor) {
        (false, _) => Some(parameter.to_owned()),
        (true, Some(cursor)) => Some(parameter.replace(HOLE, &encoded(cursor))),
        (true, None) => None,
    });
    joined(url.path(), &filled.collect::<Vec<_>>())
}

/// The same with one parameter set.
pub(super) fn with(target: &str, name: &str, value: &str) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let name = encoded(name);
    let is_other = |parameter: &&str| !parameter.is_empty() && parameter.split('=').next() != Some(&name);
    let mut parameters: Vec<_> = query.split('&').filter(is_other).map(ToOwned::to_owned).collect();
    parameters.push(format!("{name}={}", encoded(value)));
    joined(path, &parameters)
}

/// Where a link on a page of `url` leads. Credentials go to the host of the configuration and to no other.
pub(super) fn linked(url: &Uri, target: &str, link: &str) -> Result<String, Trouble> {
    let link = link.split('#').next().unwrap_or_default();
    if link.starts_with('/') && !link.starts_with("//") {
        return Ok(link.to_owned());
    }
    if link.starts_with('?') {
        let path = target.split('?').next().unwrap_or_default();
        return Ok(format!("{path}{link}"));
    }
    match link.parse::<Uri>() {
        Ok(other) if origin(&other).is_some() && origin(&other) == origin(url) => {
            Ok(other.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string))
        }
        _ => Err(Trouble::NotUnderstood(format!(
            "its next page is at {:?}, and only URLs of the poll's own scheme and host are asked",
            link.chars().take(200).collect::<String>()
        ))),
    }
}

const HOLE: &str = "{cursor}";

fn origin(url: &Uri) -> Option<(&str, String, u16)> {
    let scheme = url.scheme_str()?;
    let default = if scheme == "https" { 443 } else { 80 };
    Some((scheme, url.host()?.to_ascii_lowercase(), url.port_u16().unwrap_or(default)))
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn joined(path: &str, parameters: &[String]) -> String {
    if parameters.is_empty() { path.to_owned() } else { format!("{path}?{}", parameters.join("&")) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_cursor_is_encoded_and_left_out_where_there_is_none() {
        let url: Uri = "https://api.test/orders?limit=50&since={cursor}".parse().unwrap();
        assert_eq!(first(&url, None), "/orders?limit=50");
        let since = first(&url, Some("2026-01-01T00:00:00+01:00&x"));
        assert_eq!(since, "/orders?limit=50&since=2026-01-01T00%3A00%3A00%2B01%3A00%26x");
    }

    #[test]
    fn a_parameter_is_set_once() {
        assert_eq!(with("/a?page=1&b=2", "page", "2"), "/a?b=2&page=2");
        assert_eq!(with("/a", "page", "2"), "/a?page=2");
    }

    #[test]
    fn links_lead_to_the_same_origin_or_nowhere() {
        let url: Uri = "https://api.test/orders?x={cursor}".parse().unwrap();
        let to = |link| linked(&url, "/orders?x=1", link).ok();
        assert_eq!(to("https://API.test:443/orders?page=2#top").as_deref(), Some("/orders?page=2"));
        assert_eq!(to("/orders?page=2").as_deref(), Some("/orders?page=2"));
        assert_eq!(to("?page=2").as_deref(), Some("/orders?page=2"));
        for foreign in ["https://evil.test/orders", "http://api.test/orders", "//evil.test/", "orders", ""] {
            assert_eq!(to(foreign), None, "{foreign}");
        }
    }
}

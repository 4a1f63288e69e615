//! The page around the plots.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;

/// An HTML page that is put together from top to bottom.
pub(crate) struct Page {
    title: String,
    body: String,
}

impl Page {
    pub(crate) fn new(title: &str) -> Self {
        Self { title: escaped(title), body: format!("<h1>{}</h1>\n", escaped(title)) }
    }

    /// A heading.
    pub(crate) fn heading(&mut self, text: &str) {
        let _ = writeln!(self.body, "<h2>{}</h2>", escaped(text));
    }

    /// A paragraph of text.
    pub(crate) fn text(&mut self, text: &str) {
        let _ = writeln!(self.body, "<p>{}</p>", escaped(text));
    }

    /// Text to be copied.
    pub(crate) fn code(&mut self, text: &str) {
        let _ = writeln!(self.body, "<pre>{}</pre>", escaped(text));
    }

    /// A table: its first row is its head, its first column names the rows.
    pub(crate) fn table(&mut self, rows: &[Vec<String>]) {
        self.body.push_str("<div class=\"wide\"><table>");
        for (at, row) in rows.iter().enumerate() {
            let cell = if at == 0 { "th" } else { "td" };
            self.body.push_str("<tr>");
            for text in row {
                let class = if text.chars().count() > LONG { " class=\"long\"" } else { "" };
                let _ = write!(self.body, "<{cell}{class}>{}</{cell}>", escaped(text));
            }
            self.body.push_str("</tr>\n");
        }
        self.body.push_str("</table></div>\n");
    }

    /// A plot.
    pub(crate) fn plot(&mut self, svg: &str) {
        self.body.push_str(svg);
    }

    /// Writes the page.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let Self { title, body } = self;
        let html = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
             <meta name=\"viewport\" content=\"width=device-width\"><meta name=\"color-scheme\" content=\"light dark\">\
             <style>{STYLE}</style></head>\n<body>\n{body}</body></html>\n"
        );
        std::fs::write(path, html).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// Text for HTML and its attributes.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Characters from which a cell's text is broken into lines.
const LONG: usize = 40;

/// Colours after Okabe and Ito, told apart by those who do not see all of them; lighter on dark.
const STYLE: &str = "
:root{--page:#fff;--text:#1c1f23;--soft:#5c6570;--grid:#dfe3e8;--limit:#c2185b;
--c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#9c5c94;--c4:#b07d00;--c5:#4a90c2;--c6:#7a7a7a;--c7:#8b4513;--c8:#5a6b00;--c9:#444cc0}
@media(prefers-color-scheme:dark){:root{--page:#14171a;--text:#e6e9ec;--soft:#9aa4af;--grid:#2d333a;--limit:#ff6fa3;
--c0:#56b4e9;--c1:#ff8a3c;--c2:#2fd0a0;--c3:#dd92d3;--c4:#f0c64a;--c5:#8fc7ee;--c6:#b5b5b5;--c7:#d79b6c;--c8:#b9cf4b;--c9:#a0a7ff}}
body{background:var(--page);color:var(--text);font:15px/1.5 system-ui,sans-serif;max-width:84rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2.5rem}
.wide{overflow-x:auto;margin-bottom:1.2rem}table{border-collapse:collapse;font-size:13.5px;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .7rem;text-align:right;border-bottom:1px solid var(--grid);white-space:nowrap}
td.long{white-space:normal;text-align:left;min-width:18rem}
th:first-child,td:first-child{text-align:left}th{color:var(--soft);font-weight:600}
pre{background:var(--grid);padding:1rem;border-radius:6px;overflow-x:auto}
figure{margin:1.5rem 0;max-width:60rem}figcaption{font-weight:600;margin-bottom:.4rem}svg{width:100%;height:auto}
svg text{fill:var(--soft);font-size:12px;font-family:system-ui,sans-serif}svg text.label{fill:var(--text)}svg text.value{fill:var(--text)}
svg text.limit{fill:var(--limit)}.grid{stroke:var(--grid)}.limit{stroke:var(--limit);stroke-dasharray:6 4}text.limit{stroke:none}
.spread{stroke:var(--text);stroke-width:1.5}polyline{fill:none;stroke:currentColor;stroke-width:2}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;padding:0;margin:.3rem 0;font-size:.9rem}
.legend i{display:inline-block;width:.8rem;height:.8rem;border-radius:2px;margin-right:.4rem;background:currentColor;vertical-align:-1px}
.c0{color:var(--c0)}.c1{color:var(--c1)}.c2{color:var(--c2)}.c3{color:var(--c3)}.c4{color:var(--c4)}
.c5{color:var(--c5)}.c6{color:var(--c6)}.c7{color:var(--c7)}.c8{color:var(--c8)}.c9{color:var(--c9)}
rect,circle{fill:currentColor}
";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_page_needs_nothing_else_and_shows_text_as_text() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut page = Page::new("<b> & \"c\"");
        page.table(&[vec!["head".into()], vec!["<i>".into()]]);
        page.write(file.path()).unwrap();
        let html = std::fs::read_to_string(file.path()).unwrap();
        assert!(
            html.contains("<h1>&lt;b&gt; &amp; &quot;c&quot;</h1>") && html.contains("<td>&lt;i&gt;</td>"),
            "{html}"
        );
        assert!(!html.contains("http"), "{html}");
    }
}

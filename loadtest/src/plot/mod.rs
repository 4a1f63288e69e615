//! Reports as one HTML file: text, tables and plots as inline SVG, light and dark, nothing from the network.

mod scale;

mod lines;

mod bars;

mod page;

pub(crate) use bars::{Bar, Bars};
pub(crate) use lines::{Lines, Series, percentiles};
pub(crate) use page::Page;
pub(crate) use scale::Scale;

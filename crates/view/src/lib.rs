//! Live views of what agents report: a page for browsers, and the same on a terminal.
//!
//! ```text
//! model.rs     what both draw: types and their names, bits by type, host and time
//! amount.rs    how much there was, and when
//! series.rs    a type as it is drawn: name, unit
//! colors.rs    its colours: those of the configuration, or a palette; on light and on dark
//! frame.rs     what a browser is sent: the same as JSON; choice.rs: what it asks for
//! web          the server of the page, which is in page/
//! top          the view on a terminal
//! ```
//!
//! Guarantees: views only read what the collector knows, and hold it up only while that is copied; what a
//! record has counts once in the aggregate, however many rules hold.

mod amount;
mod choice;
pub mod colors;
mod frame;
mod model;
mod series;
mod top;
mod web;

pub use amount::{Amount, Mark, Period, Point, Times};
pub use frame::Browsers;
pub use model::Model;
pub use series::{Series, Subject, Unit};
pub use top::{Ask, Depth, Messages, Top};
pub use web::Web;

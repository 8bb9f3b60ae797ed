//! Rows of cells in columns, as wide as the terminal.
//!
//! Rows are seen twice, to be measured and to be written, and never held: a report has as many as its catalog has images.

use console::{Alignment, Style, measure_text_width, pad_str};

use crate::terminal::text::{keep_end, keep_start};

/// What is known of the place that a table is shown in.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Canvas {
    /// Columns of the terminal; none where lines may have any length.
    pub(crate) width: Option<usize>,
    /// Whether colours are wanted.
    pub(crate) colour: bool,
}

const GAP: &str = "  ";
/// Names are not cut below this width.
const NARROWEST_NAME: usize = 8;
/// Remarks are not cut below this width.
const NARROWEST_REMARK: usize = 16;

/// A column but the last.
pub(crate) struct Column {
    heading: &'static str,
    kind: Kind,
}

#[derive(PartialEq)]
enum Kind {
    Text,
    Number,
    Name,
}

impl Column {
    /// One of texts that are never cut.
    pub(crate) const fn text(heading: &'static str) -> Self {
        let kind = Kind::Text;
        Self { heading, kind }
    }

    /// One of numbers, which end below each other.
    pub(crate) const fn number(heading: &'static str) -> Self {
        let kind = Kind::Number;
        Self { heading, kind }
    }

    /// One of names, of which the end tells most: where the line is too long they are cut at their start.
    pub(crate) const fn name(heading: &'static str) -> Self {
        let kind = Kind::Name;
        Self { heading, kind }
    }

    fn is_name(&self) -> bool {
        self.kind == Kind::Name
    }
}

/// The last column: remarks of any length, cut at their end.
#[derive(Clone, Copy)]
pub(crate) enum Remarks {
    /// There are none.
    None,
    /// Shown everywhere: names leave them half of the room.
    Always(&'static str),
}

/// A table whose rows are being measured.
pub(crate) struct Table<const N: usize> {
    columns: &'static [Column; N],
    remarks: Remarks,
    widths: [usize; N],
    is_shown: [bool; N],
}

impl<const N: usize> Table<N> {
    /// A table of these columns, and no remarks.
    pub(crate) fn new(columns: &'static [Column; N]) -> Self {
        Self {
            columns,
            remarks: Remarks::None,
            widths: std::array::from_fn(|column| columns[column].heading.len()),
            is_shown: [true; N],
        }
    }

    /// The same with a last column.
    pub(crate) fn with_remarks(self, remarks: Remarks) -> Self {
        Self { remarks, ..self }
    }

    /// The same without a column, which tells nothing here.
    pub(crate) fn without(mut self, column: usize) -> Self {
        self.is_shown[column] = false;
        self
    }

    /// Makes room for the cells of a row.
    pub(crate) fn measure(&mut self, cells: &[String; N]) {
        for (width, cell) in self.widths.iter_mut().zip(cells) {
            *width = (*width).max(measure_text_width(cell));
        }
    }

    /// The widths of all columns on `canvas`.
    pub(crate) fn layout(&self, canvas: Canvas) -> Layout<N> {
        let mut widths = self.widths;
        let (names, others): (Vec<usize>, Vec<usize>) = (0..N)
            .filter(|column| self.is_shown[*column])
            .partition(|column| self.columns[*column].is_name());
        let columns = names.len() + others.len();
        let fixed: usize = others.iter().map(|column| widths[*column]).sum();
        let remarks = canvas.width.map(|width| {
            let (gaps, room_shared) = match self.remarks {
                Remarks::None => (columns.saturating_sub(1), 1),
                Remarks::Always(_) => (columns, 2),
            };
            let room = width.saturating_sub(fixed + gaps * GAP.len());
            share(room / room_shared, &names, &mut widths);
            let shown: usize = names.iter().map(|column| widths[*column]).sum();
            width.saturating_sub(fixed + shown + columns * GAP.len())
        });
        Layout {
            columns: self.columns,
            remarks: self.remarks,
            widths,
            is_shown: self.is_shown,
            room: remarks,
            colour: canvas.colour,
        }
    }
}

/// Cuts the widths of `names` to `room` in all: those that need less than their share keep what they need.
fn share(mut room: usize, names: &[usize], widths: &mut [usize]) {
    let mut shortest_first = names.to_vec();
    shortest_first.sort_by_key(|name| widths[*name]);
    for (done, name) in shortest_first.iter().enumerate() {
        let fair = room.div_ceil(names.len() - done);
        let narrowest = widths[*name].min(NARROWEST_NAME);
        widths[*name] = widths[*name].min(fair).max(narrowest);
        room = room.saturating_sub(widths[*name]);
    }
}

/// The widths of a table's columns.
pub(crate) struct Layout<const N: usize> {
    columns: &'static [Column; N],
    remarks: Remarks,
    widths: [usize; N],
    is_shown: [bool; N],
    /// Columns for the remark; none where it may have any length.
    room: Option<usize>,
    colour: bool,
}

impl<const N: usize> Layout<N> {
    /// The line above all rows.
    pub(crate) fn headings(&self) -> String {
        let headings = std::array::from_fn(|column| self.columns[column].heading.to_owned());
        let remark = match self.remarks {
            Remarks::None => "",
            Remarks::Always(heading) => heading,
        };
        self.line(&headings, remark)
    }

    /// A row.
    pub(crate) fn line(&self, cells: &[String; N], remark: &str) -> String {
        self.styled(cells, remark, None)
    }

    /// A row with a cell in a style of its own.
    pub(crate) fn styled(
        &self,
        cells: &[String; N],
        remark: &str,
        style: Option<&(usize, Style)>,
    ) -> String {
        let mut line = String::new();
        for (column, (cell, width)) in cells.iter().zip(self.widths).enumerate() {
            if !self.is_shown[column] {
                continue;
            }
            let alignment = match self.columns[column].kind {
                Kind::Text | Kind::Name => Alignment::Left,
                Kind::Number => Alignment::Right,
            };
            let cell = pad_str(&keep_end(cell, width), width, alignment, None).into_owned();
            match style {
                Some((styled, style)) if *styled == column => {
                    let style = style.clone().force_styling(self.colour);
                    line.push_str(&style.apply_to(cell).to_string());
                }
                Some(_) | None => line.push_str(&cell),
            }
            line.push_str(GAP);
        }
        line.push_str(&self.fitting(remark));
        line.truncate(line.trim_end().len());
        line
    }

    fn fitting<'a>(&self, remark: &'a str) -> std::borrow::Cow<'a, str> {
        match (self.room, self.remarks) {
            (None, _) => remark.into(),
            (Some(room), Remarks::Always(_)) => keep_start(remark, room.max(NARROWEST_REMARK)),
            (Some(room), _) if room >= NARROWEST_REMARK => keep_start(remark, room),
            (Some(_), _) => "".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_share_what_room_there_is() {
        let shared = |room, needed: [usize; 2]| {
            let mut widths = needed;
            share(room, &[0, 1], &mut widths);
            widths
        };
        assert_eq!(shared(40, [20, 10]), [20, 10]);
        assert_eq!(shared(40, [60, 10]), [30, 10]);
        assert_eq!(shared(40, [10, 75]), [10, 30]);
        assert_eq!(shared(41, [60, 75]), [21, 20]);
        assert_eq!(shared(0, [60, 75]), [8, 8], "below that, lines wrap");
    }

    #[test]
    fn remarks_are_cut_at_their_end_and_names_at_their_start() {
        static COLUMNS: [Column; 2] = [Column::name("IMAGE"), Column::number("BLOBS")];
        let row = ["docker.io/library/nginx".to_owned(), "3".to_owned()];
        let on = |width: usize, remarks| {
            let mut table = Table::new(&COLUMNS).with_remarks(remarks);
            table.measure(&row);
            let canvas = Canvas {
                width: Some(width),
                colour: false,
            };
            table
                .layout(canvas)
                .line(&row, "there is no such tag at all")
        };
        let always = Remarks::Always("WHY");
        assert_eq!(on(40, always), "…/library/nginx      3  there is no suc…");
        assert_eq!(on(20, Remarks::None), "…ibrary/nginx      3");
    }

    #[test]
    fn a_column_that_is_left_out_takes_no_room() {
        static COLUMNS: [Column; 3] = [
            Column::name("IMAGE"),
            Column::name("TARGET"),
            Column::number("BLOBS"),
        ];
        let row = ["docker.io/library/nginx", "localhost:5000", "3"].map(str::to_owned);
        let mut table = Table::new(&COLUMNS);
        table.measure(&row);
        let canvas = Canvas {
            width: Some(48),
            colour: false,
        };
        let layout = table.without(1).layout(canvas);
        assert_eq!(layout.headings(), "IMAGE                    BLOBS");
        assert_eq!(layout.line(&row, ""), "docker.io/library/nginx      3");
    }
}

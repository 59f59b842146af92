//! A picture of lines, both axes logarithmic.

use std::fmt::Write;

/// One line.
pub(crate) struct Series {
    pub(crate) what: &'static str,
    /// Size and cost.
    pub(crate) points: Vec<(u64, f64)>,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
const MARGIN: f64 = 40.0;
/// Room for the names of lines, right of them.
const LEGEND: f64 = 190.0;
const COLOURS: [&str; 7] = [
    "#1b6ca8", "#c8553d", "#3a7d44", "#8e5572", "#d19c1d", "#4b4e6d", "#00a8a8",
];

/// Powers of ten that hold all of what an axis shows.
struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    fn around(values: impl Iterator<Item = f64> + Clone) -> Self {
        let logs = values.filter(|value| *value > 0.0).map(f64::log10);
        let low = logs.clone().fold(f64::INFINITY, f64::min).floor();
        let high = logs.fold(f64::NEG_INFINITY, f64::max).ceil();
        Self { low, high }
    }

    /// 0 to 1.
    fn place(&self, value: f64) -> f64 {
        (value.log10() - self.low) / (self.high - self.low)
    }

    fn tens(&self) -> impl Iterator<Item = i32> {
        self.low as i32..=self.high as i32
    }
}

/// A picture that needs nothing else.
pub(crate) fn svg(all: &[Series]) -> String {
    let points = || all.iter().flat_map(|series| series.points.iter());
    let across = Axis::around(points().map(|(size, _)| *size as f64));
    let up = Axis::around(points().map(|(_, cost)| *cost));
    let x = |value: f64| MARGIN + across.place(value) * (WIDTH - 2.0 * MARGIN - LEGEND);
    let y = |value: f64| HEIGHT - MARGIN - up.place(value) * (HEIGHT - 2.0 * MARGIN);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    let grid = "stroke=\"#ddd\" fill=\"none\"";
    for ten in across.tens() {
        let at = x(10_f64.powi(ten));
        let foot = HEIGHT - MARGIN;
        let _ = writeln!(text, "<path d=\"M{at:.1} {MARGIN}V{foot}\" {grid}/>");
        let (label, below) = (10_f64.powi(ten), foot + 16.0);
        let _ = writeln!(
            text,
            "<text x=\"{at:.1}\" y=\"{below}\" text-anchor=\"middle\">{label}</text>"
        );
    }
    for ten in up.tens() {
        let at = y(10_f64.powi(ten));
        let right = WIDTH - MARGIN - LEGEND;
        let _ = writeln!(text, "<path d=\"M{MARGIN} {at:.1}H{right}\" {grid}/>");
        let label = 10_f64.powi(ten);
        let _ = writeln!(
            text,
            "<text x=\"{}\" y=\"{at:.1}\" text-anchor=\"end\">{label}</text>",
            MARGIN - 4.0
        );
    }
    for (index, series) in all.iter().enumerate() {
        line(&mut text, index, series, (&x, &y));
    }
    text + "</svg>\n"
}

fn line(
    text: &mut String,
    index: usize,
    series: &Series,
    (x, y): (&impl Fn(f64) -> f64, &impl Fn(f64) -> f64),
) {
    let colour = COLOURS[index % COLOURS.len()];
    let usable = series.points.iter().filter(|(_, cost)| *cost > 0.0);
    let path: Vec<String> = usable
        .map(|(size, cost)| format!("{:.1},{:.1}", x(*size as f64), y(*cost)))
        .collect();
    let path = path.join(" ");
    let _ = writeln!(
        text,
        "<polyline points=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"
    );
    let (left, down) = (WIDTH - LEGEND - MARGIN + 12.0, MARGIN + 18.0 * index as f64);
    let what = series.what;
    let _ = writeln!(
        text,
        "<text x=\"{left}\" y=\"{down}\" fill=\"{colour}\">{what}</text>"
    );
}

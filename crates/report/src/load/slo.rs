//! What is asked of a run: `first_content_ms_p99<500`.
//!
//! Owns the language of objectives and their one evaluation: against the figures of a run, and against a single request.
//! Refuses to know what a request that misses one counts as.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};

use super::document::SloVerdict;
use super::figure::{Figure, Statistic, UnknownFigure};
use super::measure::Measure;

/// How a value is held against a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparator {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
}

impl Comparator {
    /// Every one; those that begin with another stand before it.
    const ALL: [Comparator; 4] =
        [Comparator::AtMost, Comparator::AtLeast, Comparator::Below, Comparator::Above];

    /// As it is written.
    pub fn sign(self) -> &'static str {
        match self {
            Comparator::Below => "<",
            Comparator::AtMost => "<=",
            Comparator::Above => ">",
            Comparator::AtLeast => ">=",
        }
    }

    /// Whether it holds.
    pub fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Comparator::Below => value < bound,
            Comparator::AtMost => value <= bound,
            Comparator::Above => value > bound,
            Comparator::AtLeast => value >= bound,
        }
    }
}

/// Of what an objective speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A figure of the run.
    Figure(Figure),
    /// A measure of every single request: `total_ms<2000`. A run meets it if its worst sound answer does.
    Every(Measure),
}

/// One thing that is asked of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Objective {
    /// What is looked at.
    pub figure: Subject,
    /// How it is held against the bound.
    pub comparison: Comparator,
    /// In the unit of the figure: milliseconds, a ratio, a number.
    pub bound: f64,
}

/// Why a text is no objective.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectiveError {
    /// Neither `<` nor `>`, or nothing before it.
    #[error("`{given}` is no objective: it has to be NAME<NUMBER, or with <=, > or >=")]
    NoComparison {
        /// The text.
        given: String,
    },
    /// What stands after the comparison is no number.
    #[error("`{bound}` in `{given}` is no number")]
    NoNumber {
        /// The text.
        given: String,
        /// What stands there.
        bound: String,
    },
    /// What stands before it is no figure.
    #[error(transparent)]
    UnknownFigure(#[from] UnknownFigure),
}

impl ObjectiveError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            ObjectiveError::NoComparison { .. } | ObjectiveError::NoNumber { .. } => {
                "as in `--slo 'first_content_ms_p99<500'`; times are in milliseconds, without a unit"
            }
            ObjectiveError::UnknownFigure(_) => {
                "a measure alone is about every request (`total_ms<2000`); with _p50, _p90, _p95, _p99, _p999, _mean, \
                 _min or _max it is about the run; docs/reports.md lists the figures"
            }
        }
    }
}

impl Objective {
    /// The measure that it is about, and what of it; no statistic where it is about every single request, and nothing
    /// where it is about the run as a whole.
    pub fn measure(&self) -> Option<(Measure, Option<Statistic>)> {
        match self.figure {
            Subject::Figure(Figure::Measured(measure, statistic)) => Some((measure, Some(statistic))),
            Subject::Figure(Figure::Run(_)) => None,
            Subject::Every(measure) => Some((measure, None)),
        }
    }

    /// Whether a value meets it; of a single request, in the unit that documents tell its measure in.
    pub fn holds(&self, value: f64) -> bool {
        self.comparison.holds(value, self.bound)
    }

    /// What a run with these figures comes to. What was not measured meets nothing.
    pub fn evaluate(&self, figures: &Map<String, Value>) -> SloVerdict {
        let told = |figure: Figure| figures.get(&figure.to_string()).and_then(Value::as_f64);
        let decisive = self.decisive();
        // A closed loop counts from the sent time, and tells it once.
        let value = told(decisive).or_else(|| match decisive {
            Figure::Measured(measure, statistic) => told(Figure::Measured(measure.from_basis(), statistic)),
            Figure::Run(_) => None,
        });
        SloVerdict {
            expression: self.to_string(),
            value,
            met: value.is_some_and(|value| self.comparison.holds(value, self.bound)),
        }
    }

    /// The figure that decides: of every request, that of the worst.
    fn decisive(&self) -> Figure {
        match (self.figure, self.comparison) {
            (Subject::Figure(figure), _) => figure,
            (Subject::Every(measure), Comparator::Below | Comparator::AtMost) => {
                Figure::Measured(measure, Statistic::Max)
            }
            (Subject::Every(measure), Comparator::Above | Comparator::AtLeast) => {
                Figure::Measured(measure, Statistic::Min)
            }
        }
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.figure {
            Subject::Figure(figure) => write!(formatter, "{figure}")?,
            Subject::Every(measure) => write!(formatter, "{measure}")?,
        }
        write!(formatter, "{}{}", self.comparison.sign(), self.bound)
    }
}

impl FromStr for Objective {
    type Err = ObjectiveError;

    fn from_str(text: &str) -> Result<Objective, ObjectiveError> {
        let no_comparison = || ObjectiveError::NoComparison { given: text.to_owned() };
        let place = text.find(['<', '>']).filter(|place| *place > 0).ok_or_else(no_comparison)?;
        let (name, rest) = text.split_at(place);
        let known = |sign: &Comparator| rest.starts_with(sign.sign());
        let comparison = Comparator::ALL.into_iter().find(known).ok_or_else(no_comparison)?;
        let bound = rest[comparison.sign().len()..].trim();
        let no_number = || ObjectiveError::NoNumber { given: text.to_owned(), bound: bound.to_owned() };
        let number: f64 = bound.parse().map_err(|_| no_number())?;
        if !number.is_finite() {
            return Err(no_number());
        }
        Ok(Objective { figure: name.trim().parse()?, comparison, bound: number })
    }
}

impl FromStr for Subject {
    type Err = UnknownFigure;

    fn from_str(name: &str) -> Result<Subject, UnknownFigure> {
        if let Some(measure) = Measure::ALL.into_iter().find(|measure| measure.name() == name) {
            return Ok(Subject::Every(measure));
        }
        name.parse().map(Subject::Figure)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn objective(text: &str) -> Objective {
        text.parse().unwrap()
    }

    #[test]
    fn an_objective_is_read_and_told_alike() {
        for text in ["first_content_ms_p99<500", "valid_goodput_ratio>=0.99", "failed<=0", "total_ms>1.5"] {
            assert_eq!(objective(text).to_string(), text);
        }
        assert_eq!(objective(" failed <= 3 ").to_string(), "failed<=3");
        let of = |text: &str| objective(text).measure();
        assert_eq!(of("first_content_ms_p99<1"), Some((Measure::FirstContent, Some(Statistic::P99))));
        assert_eq!(of("first_content_ms<1"), Some((Measure::FirstContent, None)));
        assert_eq!(of("failed<1"), None);
    }

    #[test]
    fn what_is_wrong_is_told_with_what_to_do() {
        let told = |text: &str| text.parse::<Objective>().unwrap_err();
        for text in ["", "failed", "<3", "failed=3"] {
            assert!(matches!(told(text), ObjectiveError::NoComparison { .. }), "{text}");
        }
        for text in
            ["failed<", "failed<x", "failed<500ms", "failed<NaN", "failed<inf", "failed<<1", "failed<==1"]
        {
            assert!(matches!(told(text), ObjectiveError::NoNumber { .. }), "{text}");
        }
        assert_eq!(
            told("valid_goodput>0.9").to_string(),
            "there is no figure `valid_goodput`; did you mean `valid_goodput_ratio`?"
        );
        assert!(told("ttft<1").hint().contains("docs/reports.md"));
    }

    #[test]
    fn it_holds_on_its_side_of_the_bound() {
        let figures = json!({"failed": 3, "total_ms_max": 9.0, "total_ms_min": 2.0, "total_ms_p50": 4.0});
        let met = |text: &str| objective(text).evaluate(figures.as_object().unwrap()).met;
        assert_eq!(["failed<3", "failed<=3", "failed>3", "failed>=3"].map(met), [false, true, false, true]);
        assert_eq!(
            ["total_ms<5", "total_ms<10", "total_ms>1", "total_ms>3"].map(met),
            [false, true, true, false]
        );
        assert_eq!(["total_ms_p50<5", "connect_ms_p50<5"].map(met), [true, false]);
        let verdict = objective("connect_ms_p50<5").evaluate(figures.as_object().unwrap());
        assert_eq!((verdict.expression.as_str(), verdict.value), ("connect_ms_p50<5", None));
    }
}

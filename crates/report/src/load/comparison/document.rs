//! What a comparison says, and its JSON, of which `docs/schemas/load-comparison-1.json` is the schema.
//!
//! Members are only ever added; whatever else changes gets a new number in [`FORMAT`]. Refuses to know how a verdict came
//! about.

use serde::{Deserialize, Serialize};

use crate::error::ReportError;

/// What the member `format` of a comparison says.
pub const FORMAT: &str = "interference-load-comparison-1";

/// One of the two runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// The base URL.
    pub target: String,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_name: Option<String>,
    /// The model that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The command that was run.
    pub command: String,
    /// RFC 3339, in UTC.
    pub started_at: String,
    /// What was to be done, in words.
    pub plan: String,
    /// Requests that were scheduled.
    pub scheduled: u64,
    /// Whether its numbers can be trusted.
    pub certified: bool,
    /// Why not, each a sentence.
    pub objections: Vec<String>,
}

/// What is said of two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// They differ by more than chance and the testers' own errors explain.
    BeyondNoise,
    /// They do not.
    WithinNoise,
    /// Nothing can be said of them.
    NotComparable,
}

/// What a difference beyond noise means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// B is better.
    Better,
    /// B is worse.
    Worse,
    /// B is different, in what is neither good nor bad.
    Different,
}

/// One figure of both runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComparedFigure {
    /// As documents of load spell it; its unit is in it.
    pub name: String,
    /// Of run A; absent where nothing was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub a: Option<f64>,
    /// Of run B; absent where nothing was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub b: Option<f64>,
    /// B by A; absent where A is 0, or one is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// How far apart they may be by chance, in the unit of the figure; absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise: Option<f64>,
    /// What is said of it.
    pub verdict: Verdict,
    /// What it means; absent where it is not beyond noise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// Why nothing can be said; absent where something is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What all figures together say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// Nothing is beyond noise.
    WithinNoise,
    /// What is beyond noise is better in B.
    Better,
    /// What is beyond noise is worse in B.
    Worse,
    /// Something is better in B, and something worse.
    Mixed,
    /// What is beyond noise is neither.
    Different,
    /// Nothing can be said of any figure.
    NotComparable,
}

impl Conclusion {
    /// Whether B is worse than A in anything, beyond noise.
    pub fn is_worse(self) -> bool {
        matches!(self, Conclusion::Worse | Conclusion::Mixed)
    }
}

/// Two runs side by side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// [`FORMAT`].
    pub format: String,
    /// The run that is compared with: the older one, as a rule.
    pub a: Side,
    /// The run that is compared.
    pub b: Side,
    /// What all figures together say.
    pub conclusion: Conclusion,
    /// The same in a sentence.
    pub summary: String,
    /// What whoever reads it has to know besides, each a sentence.
    pub notes: Vec<String>,
    /// Every figure that one of them has.
    pub figures: Vec<ComparedFigure>,
}

impl Comparison {
    /// The comparison as JSON, indented, with a line feed at its end; `docs/schemas/load-comparison-1.json` describes it.
    ///
    /// # Errors
    /// [`ReportError::Unwritable`] where JSON cannot say a number.
    pub fn to_json(&self) -> Result<String, ReportError> {
        let mut text = serde_json::to_string_pretty(self)
            .map_err(|error| ReportError::Unwritable { form: "JSON", reason: error.to_string() })?;
        text.push('\n');
        Ok(text)
    }

    /// Figures of a verdict.
    pub fn of(&self, verdict: Verdict) -> impl Iterator<Item = &ComparedFigure> {
        self.figures.iter().filter(move |figure| figure.verdict == verdict)
    }
}

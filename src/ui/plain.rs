//! A verdict in the fewest words, one check a line.

use crate::check::verdict::{ExerciseResult, Status};

pub fn render(result: &ExerciseResult) -> String {
    let mut text = format!(
        "{} {}: {:?}, {} of {} points\n",
        result.id, result.name, result.status, result.points, result.out_of
    );
    if let Some(reason) = &result.reason {
        text += &format!("  {reason}\n");
    }
    for check in &result.checks {
        text += &format!("  {:?} {}\n", check.status, check.id);
        if let (Status::Fail, Some(why)) = (check.status, &check.explanation) {
            text += &format!("    {}\n    {}\n    {}\n", why.what, why.meaning, why.cause);
        }
    }
    if result.status != Status::Pass && !result.output.is_empty() {
        text += &format!("it printed:\n{}", result.output);
    }
    text
}

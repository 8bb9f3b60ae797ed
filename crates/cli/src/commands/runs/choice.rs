//! Which run is meant.

use image_sync_shared::ports::runs::run_states::RunState;

use crate::process::exit::Problem;

/// What the newest run may be called.
const LATEST: &str = "latest";

/// The run that `text` names: as a whole, by a start that only it has, or as the latest. `states` are sorted.
pub(super) fn of<'a>(states: &'a [RunState], text: &str) -> Result<&'a RunState, Problem> {
    let begins = |state: &&RunState| {
        let start = state.run.as_str().get(..text.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(text))
    };
    let mut like_it = states.iter().filter(begins);
    match (text, states.last(), like_it.next(), like_it.next()) {
        ("", ..) => Err(Problem::usage("the run is empty, expected its id")),
        (_, None, ..) => Err(Problem::usage(format!(
            "there is no run {text:?}, nor any other"
        ))),
        (LATEST, Some(latest), ..) => Ok(latest),
        (_, _, Some(only), None) => Ok(only),
        (_, _, Some(one), Some(_)) if one.run.as_str().len() == text.len() => Ok(one),
        (_, _, Some(one), Some(other)) => Err(Problem::usage(format!(
            "{text:?} may be run {} or {}, expected more of its id",
            one.run, other.run
        ))),
        (_, Some(latest), None, _) => Err(Problem::usage(format!(
            "there is no run {text:?}; the latest is {}",
            latest.run
        ))),
    }
}

#[cfg(test)]
mod tests {
    use image_sync_shared::run::RunId;
    use time::macros::datetime;

    use super::*;
    use crate::process::exit::Exit;

    fn states() -> Vec<RunState> {
        ["01AB", "01AC", "01ACD"]
            .map(|run| RunState {
                run: RunId::new(run),
                catalog: "c0ffee".to_owned(),
                until: datetime!(2026-11-20 12:00 UTC),
                ended: None,
            })
            .to_vec()
    }

    #[test]
    fn a_run_is_named_whole_or_by_its_start_or_as_the_latest() {
        for (text, run) in [
            ("01AB", "01AB"),
            ("01ab", "01AB"),
            ("01AC", "01AC"),
            ("01ACD", "01ACD"),
            ("latest", "01ACD"),
        ] {
            assert_eq!(of(&states(), text).unwrap().run.as_str(), run, "{text}");
        }
    }

    #[test]
    fn what_names_none_or_several_is_refused() {
        for (text, reason) in [
            ("", "the run is empty, expected its id"),
            (
                "01",
                r#""01" may be run 01AB or 01AC, expected more of its id"#,
            ),
            ("02", r#"there is no run "02"; the latest is 01ACD"#),
            (
                "01ACDEF",
                r#"there is no run "01ACDEF"; the latest is 01ACD"#,
            ),
        ] {
            let problem = of(&states(), text).unwrap_err();
            assert_eq!(
                (problem.exit, problem.to_string().as_str()),
                (Exit::Usage, reason)
            );
        }
        let none = of(&[], "latest").unwrap_err();
        assert_eq!(
            none.to_string(),
            r#"there is no run "latest", nor any other"#
        );
    }
}

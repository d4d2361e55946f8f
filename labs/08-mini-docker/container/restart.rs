//! Whether a container that has ended is started again, and when.
//!
//! The waits are docker's: 100 ms, each time twice as long, a minute at most; from
//! the beginning again after a run of ten seconds.

use std::time::Duration;

use super::record::{Container, State};

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(60);
const GOOD_RUN: Duration = Duration::from_secs(10);

/// The waits so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backoff {
    wait: Duration,
}

impl Backoff {
    /// How long to wait before the next start, or `None` for no more.
    pub fn again(
        &mut self,
        container: &Container,
        state: &State,
        ran: Duration,
    ) -> Option<Duration> {
        let policy = &container.host_config.restart_policy;
        let most = policy.maximum_retry_count;
        let again = match policy.name.as_str() {
            "always" | "unless-stopped" => true,
            "on-failure" => state.exit_code != 0 && (most == 0 || state.restart_count < most),
            _ => false,
        };
        if !again || state.stopped_by_hand {
            return None;
        }
        self.wait = match self.wait {
            _ if ran >= GOOD_RUN => FIRST,
            Duration::ZERO => FIRST,
            wait => (wait * 2).min(LONGEST),
        };
        Some(self.wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(policy: &str, most: i64) -> Container {
        let mut container = Container::default();
        container.host_config.restart_policy.name = policy.into();
        container.host_config.restart_policy.maximum_retry_count = most;
        container
    }

    #[test]
    fn each_wait_is_twice_the_last_up_to_a_minute() {
        let (mut backoff, always) = (Backoff::default(), container("always", 0));
        let mut waits = Vec::new();
        for _ in 0..12 {
            let wait = backoff.again(&always, &State::default(), Duration::ZERO);
            waits.push(wait.unwrap().as_millis());
        }
        assert_eq!(waits[..4], [100, 200, 400, 800]);
        assert_eq!(waits[11], 60_000);
        let after = backoff.again(&always, &State::default(), GOOD_RUN);
        assert_eq!(after, Some(FIRST), "it ran well, so it may again");
    }

    #[test]
    fn on_failure_counts_and_looks_at_the_code() {
        let (mut backoff, policy) = (Backoff::default(), container("on-failure", 2));
        let mut state = State::default();
        assert_eq!(backoff.again(&policy, &state, Duration::ZERO), None);
        state.exit_code = 1;
        assert!(backoff.again(&policy, &state, Duration::ZERO).is_some());
        state.restart_count = 2;
        assert_eq!(backoff.again(&policy, &state, Duration::ZERO), None);
    }

    #[test]
    fn what_was_stopped_by_hand_stays_so() {
        let state = State {
            stopped_by_hand: true,
            ..State::default()
        };
        for policy in ["always", "unless-stopped", "on-failure", "no", ""] {
            let again = Backoff::default().again(&container(policy, 0), &state, GOOD_RUN);
            assert_eq!(again, None, "{policy}");
        }
    }
}

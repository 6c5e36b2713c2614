//! The phases of alerts: what the answer of one evaluation makes of the alerts of one rule.
//!
//! [`step`] decides for one alert, [`RuleState::advance`] for all alerts of a rule: the next state
//! or an error that leaves the old one whole. Nothing here asks a data source, knows a group's
//! schedule or tells anybody.

mod phase;
mod state;

pub use phase::{Holds, Phase, Presence, RESOLVED_RETENTION, step};
pub use state::{
    Changes, EvalError, Found, Instance, InstanceNo, MAX_ALERTS_PER_RULE, RuleState, Step,
};

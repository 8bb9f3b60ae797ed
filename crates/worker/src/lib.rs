//! Check, plan, copy, settle

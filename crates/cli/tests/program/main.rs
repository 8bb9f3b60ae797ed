//! The built program as its users call it: arguments in, exit code, stdout and stderr out.

#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod bare_machines;
#[cfg(test)]
mod commands_docs;
#[cfg(test)]
mod completions;
#[cfg(test)]
mod exit_codes;
#[cfg(test)]
mod help;
#[cfg(test)]
mod man_pages;
#[cfg(test)]
mod quickstart;
#[cfg(test)]
mod report;
#[cfg(test)]
mod signals;
#[cfg(test)]
mod support;

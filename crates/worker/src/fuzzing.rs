//! The bodies of fuzz targets: what is decided about jobs and images of others.

mod images;
mod settling;

pub use images::platforms_and_convert;
pub use settling::settle;

#[cfg(test)]
mod tests {
    use image_sync_fuzzkit::run_seeds;

    #[test]
    fn settlements_of_any_job_and_failure_hold() {
        run_seeds("settle", super::settle).unwrap();
    }

    #[test]
    fn choices_of_platforms_and_conversions_of_any_index_hold() {
        run_seeds("platforms_and_convert", super::platforms_and_convert).unwrap();
    }
}

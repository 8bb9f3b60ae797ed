//! What becomes of each block of commands in the documents: who adds one names here the test that carries it out.

/// What becomes of a block.
pub(crate) enum Tried {
    /// The test of this name carries it out.
    By(&'static str),
    /// It cannot be carried out here, for this reason.
    Not(&'static str),
}

use Tried::{By, Not};

const ITSELF: &str = "it is what runs the tests, or takes as long";
const MEASURED: &str = "a measurement, of a release build with nothing beside it";
const NO_ENGINE: &str = "there is no container engine";
const NO_NIX: &str = "there is no Nix";
const NO_NATS_CLI: &str = "there is no package of the program nats in Debian";
const NO_CLOUD: &str = "there is no such cloud";
const AIR_GAP: &str = "each_step_on_both_sides_of_an_air_gap_does_what_it_says";

/// All blocks of `sh`, in the order of their pages.
pub(crate) const BLOCKS: [(&str, &str, Tried); 66] = [
    (
        "README.md",
        "image-sync",
        By("the_first_command_copies_the_examples_and_then_finds_all_in_place"),
    ),
    ("README.md", "image-sync", Not(ITSELF)),
    (
        "README.md",
        "Install",
        By("the_program_of_a_release_is_installed"),
    ),
    (
        "README.md",
        "Sixty seconds",
        By("sixty_seconds_are_enough_for_one_image"),
    ),
    (
        "README.md",
        "On a schedule",
        By("services_and_overlays_that_it_names_are_there"),
    ),
    (
        "README.md",
        "On many machines",
        By("a_fleet_copies_the_images_of_its_config"),
    ),
    (
        "README.md",
        "What it says",
        By("the_report_says_what_failed"),
    ),
    ("docs/TESTING.md", "Servers", Not(ITSELF)),
    ("docs/TESTING.md", "Servers", Not(ITSELF)),
    ("docs/airgap.md", "Outside", By(AIR_GAP)),
    ("docs/airgap.md", "Inside", By(AIR_GAP)),
    ("docs/airgap.md", "Outside, the next time", By(AIR_GAP)),
    ("docs/airgap.md", "Inside, the next time", By(AIR_GAP)),
    ("docs/airgap.md", "Inside, with other tools", By(AIR_GAP)),
    ("docs/airgap.md", "Outside, with a disk", By(AIR_GAP)),
    ("docs/airgap.md", "Inside, with a disk", By(AIR_GAP)),
    ("docs/airgap.md", "Outside, with `sync`", By(AIR_GAP)),
    ("docs/airgap.md", "Inside, with `sync`", By(AIR_GAP)),
    ("docs/benchmarks.md", "`scripts/bench`", Not(MEASURED)),
    (
        "docs/benchmarks.md",
        "Against docker-registry",
        Not(MEASURED),
    ),
    ("docs/benchmarks.md", "Eight tasks", Not(MEASURED)),
    ("docs/benchmarks.md", "Several targets", Not(MEASURED)),
    ("docs/benchmarks.md", "Over the queue", Not(MEASURED)),
    (
        "docs/commands.md",
        "Only what failed",
        By("what_failed_is_worked_again_and_a_check_says_whether_all_is_up_to_date"),
    ),
    (
        "docs/commands.md",
        "Is all up to date",
        By("what_failed_is_worked_again_and_a_check_says_whether_all_is_up_to_date"),
    ),
    (
        "docs/commands.md",
        "Again and again",
        By("a_process_that_repeats_goes_on_until_sigterm"),
    ),
    (
        "docs/commands.md",
        "`copy`",
        By("images_are_copied_one_by_one"),
    ),
    (
        "docs/commands.md",
        "`save` and `load`",
        By("images_are_saved_and_loaded"),
    ),
    (
        "docs/commands.md",
        "`config convert`",
        By("the_file_of_another_tool_is_converted"),
    ),
    (
        "docs/commands.md",
        "`completions`",
        By("completions_and_manual_pages_come_to_where_they_are_found"),
    ),
    (
        "docs/compose.md",
        "With compose",
        By("compose_is_called_with_services_and_profiles_of_the_file"),
    ),
    (
        "docs/compose.md",
        "A push that is in the cache at once",
        By("requests_of_the_page_are_answered_and_lead_to_checks"),
    ),
    (
        "docs/config.md",
        "A list of images from somewhere else",
        By("images_of_a_chart_are_read_from_stdin"),
    ),
    (
        "docs/config.md",
        "Questions to a report",
        By("queries_of_the_page_answer_what_they_say"),
    ),
    (
        "docs/install.md",
        "Install",
        By("a_binary_is_fetched_verified_and_installed_as_the_page_says"),
    ),
    (
        "docs/install.md",
        "Binaries",
        By("a_binary_is_fetched_verified_and_installed_as_the_page_says"),
    ),
    ("docs/install.md", "Image", Not(NO_ENGINE)),
    ("docs/install.md", "From source", Not(ITSELF)),
    ("docs/install.md", "Nix", Not(NO_NIX)),
    (
        "docs/install.md",
        "Manual pages and completions",
        By("completions_and_manual_pages_come_to_where_they_are_found"),
    ),
    ("docs/operations.md", "Backup and restore", Not(NO_NATS_CLI)),
    (
        "docs/queue.md",
        "Over a queue",
        By("images_reach_the_cache_over_a_queue_and_single_ones_go_ahead"),
    ),
    (
        "docs/queue.md",
        "Single images",
        By("images_reach_the_cache_over_a_queue_and_single_ones_go_ahead"),
    ),
    (
        "docs/queue.md",
        "Facts",
        By("a_worker_shares_facts_by_a_key_that_the_server_does_not_know"),
    ),
    (
        "docs/queue.md",
        "Dead letters",
        By("dead_letters_are_shown_replayed_and_dropped"),
    ),
    (
        "docs/queue.md",
        "Paused registries",
        By("runs_are_looked_at_and_cancelled_and_a_pause_is_ended"),
    ),
    (
        "docs/queue.md",
        "Workers",
        By("images_reach_the_cache_over_a_queue_and_single_ones_go_ahead"),
    ),
    (
        "docs/queue.md",
        "Runs",
        By("runs_are_looked_at_and_cancelled_and_a_pause_is_ended"),
    ),
    (
        "docs/queue.md",
        "Runs",
        By("runs_are_looked_at_and_cancelled_and_a_pause_is_ended"),
    ),
    (
        "docs/queue.md",
        "Permissions",
        By("roles_have_users_of_their_own"),
    ),
    (
        "docs/queue.md",
        "Sizes",
        By("images_reach_the_cache_over_a_queue_and_single_ones_go_ahead"),
    ),
    (
        "docs/switching.md",
        "Switching from another tool",
        By("a_file_is_taken_by_what_it_looks_like_or_as_the_option_says"),
    ),
    (
        "docs/switching.md",
        "From Kyma's image-syncer",
        By("the_calls_of_two_image_syncers_are_understood"),
    ),
    (
        "docs/switching.md",
        "From Aliyun's image-syncer",
        By("the_calls_of_two_image_syncers_are_understood"),
    ),
    (
        "docs/switching.md",
        "From regsync",
        By("the_files_of_regsync_skopeo_and_dregsy_are_carried_out"),
    ),
    (
        "docs/switching.md",
        "From skopeo sync",
        By("the_files_of_regsync_skopeo_and_dregsy_are_carried_out"),
    ),
    (
        "docs/switching.md",
        "From dregsy",
        By("the_files_of_regsync_skopeo_and_dregsy_are_carried_out"),
    ),
    (
        "docs/switching.md",
        "From a plain list",
        By("the_files_of_regsync_skopeo_and_dregsy_are_carried_out"),
    ),
    (
        "docs/telemetry.md",
        "Traces",
        By("spans_reach_the_collector_that_the_environment_names"),
    ),
    (
        "docs/webhooks.md",
        "One machine",
        By("one_process_watches_and_hears_a_script"),
    ),
    (
        "docs/webhooks.md",
        "Over a queue",
        By("a_webhook_is_ready_beside_a_queue"),
    ),
    (
        "docs/webhooks.md",
        "Over a queue",
        By("one_process_watches_and_hears_a_script"),
    ),
    ("docs/webhooks.md", "Amazon ECR", Not(NO_CLOUD)),
    (
        "docs/webhooks.md",
        "Google Artifact Registry",
        Not(NO_CLOUD),
    ),
    (
        "docs/webhooks.md",
        "Azure Container Registry",
        Not(NO_CLOUD),
    ),
    (
        "docs/webhooks.md",
        "Scripts and others",
        By("one_process_watches_and_hears_a_script"),
    ),
];

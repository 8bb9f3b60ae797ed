//! What every queue must do: one function per rule, over whichever queue a [`TestQueue`] brings.

pub(crate) mod coordination;
pub(crate) mod jobs;
pub(crate) mod runs;
pub(crate) mod samples;
pub(crate) mod test_queue;

/// Puts the queue that `$fresh` makes through every rule, each as a test `$test` with the name of the rule.
macro_rules! every_rule {
    ($fresh:ident, $test:meta) => {
        $crate::contract::every_rule! { @rules $fresh, $test,
            jobs {
                dedupe [
                    a_published_job_is_stored
                    a_repeat_inside_the_window_is_dropped
                    a_repeat_in_another_lane_is_dropped
                    a_repeat_of_a_settled_job_is_dropped
                    a_repeat_after_the_window_is_stored
                    a_successor_is_no_repeat
                ]
                delivery [
                    a_job_arrives_as_it_was_published
                    the_trace_of_a_job_rides_beside_it
                    a_pull_takes_no_more_than_asked_for
                    a_pull_waits_for_a_job
                    a_pull_of_an_empty_queue_ends_with_nothing
                    a_delivered_job_is_not_delivered_again_before_its_time
                    a_dropped_delivery_comes_again_after_the_visibility_time
                    a_waiting_pull_gets_what_a_crashed_worker_left
                    a_heartbeat_prolongs_the_visibility_time
                    deliveries_are_counted
                    a_settled_job_never_comes_again
                ]
                poison [
                    too_many_deliveries_make_a_poison_event
                    a_waiting_janitor_gets_the_poison_event
                    the_last_delivery_may_still_be_settled
                    poison_does_not_hold_up_other_jobs
                ]
                delayed [
                    a_job_is_held_until_it_is_due
                    a_waiting_pull_gets_a_job_when_it_is_due
                    a_job_whose_time_has_passed_is_due_at_once
                    jobs_become_due_each_in_its_own_time
                ]
                settlement [
                    a_requeued_job_keeps_its_history_and_counts
                    a_deferred_job_counts_no_attempt
                    a_requeued_job_starts_with_its_first_delivery
                    a_crash_in_the_middle_of_a_requeue_leaves_one_successor
                    a_late_settlement_is_harmless
                    a_dead_job_leaves_its_letter
                ]
                lanes [
                    now_overtakes_bulk
                    a_pull_leaves_other_lanes_alone
                    undue_jobs_in_retry_hold_up_nothing
                    no_lane_is_starved
                    a_purge_drops_the_jobs_of_one_run
                ]
                undecodable [
                    an_undecodable_message_becomes_a_dead_letter
                    undecodable_messages_do_not_block_the_rest
                    a_message_of_a_newer_version_is_put_back
                    a_job_of_an_unknown_kind_is_put_back_and_never_becomes_poison
                ]
                dead_letters [
                    letters_are_listed_oldest_first
                    a_letter_is_taken_once
                    a_letter_with_the_same_id_replaces_the_first
                    a_letter_that_is_looked_at_stays
                    reading_ends_though_letters_keep_coming
                ]
                backlog [
                    jobs_are_counted_where_they_stand
                    poison_is_counted_apart
                    jobs_that_nobody_takes_are_deserted
                    a_job_that_is_not_due_makes_no_queue_deserted
                ]
            }
            coordination {
                leases [
                    it_is_known_who_holds_a_lease
                    a_lease_is_exclusive
                    leases_of_different_keys_are_apart
                    a_lease_expires
                    a_renewal_prolongs_a_lease
                    a_stale_renewal_fails
                    a_lease_that_ran_out_cannot_be_renewed
                    a_release_frees
                    a_stale_release_leaves_the_holder_alone
                ]
                host_pauses [
                    a_paused_host_is_left_alone_until_its_time
                    the_longest_pause_wins
                    pauses_of_different_hosts_are_apart
                    no_pause_is_longer_than_it_may_be_for_who_sets_it
                    no_pause_is_longer_than_it_may_be_for_who_honours_it
                    a_pause_that_is_lifted_is_over_and_may_come_again
                    pauses_are_listed_with_their_reasons
                ]
                fleet [
                    what_a_member_tells_is_heard_by_all_who_listen
                    all_members_hear_that_they_are_asked
                ]
            }
            runs {
                run_control [
                    a_second_run_of_a_catalog_waits_for_the_first
                    a_run_may_be_opened_again_by_itself
                    catalogs_are_apart
                    closing_a_run_frees_its_catalog
                    a_run_closes_only_its_own_claim
                    a_claim_ends_at_its_time
                    a_cancelled_run_is_known_as_such
                ]
                run_states [
                    a_run_that_was_opened_is_known_until_when
                    a_run_ends_once
                    who_follows_runs_gets_all_and_then_what_changes
                ]
                reports [
                    a_report_is_read_as_it_was_written_and_as_often_as_wanted
                    a_report_replaces_that_of_the_same_run
                    a_report_that_cannot_be_written_leaves_the_old_one
                    the_size_of_a_report_is_told_without_storing_it
                ]
                run_log [
                    events_are_read_in_the_order_they_were_stored
                    a_repeated_event_is_dropped
                    every_reader_starts_from_the_first_event
                    a_reader_waits_for_the_next_event
                    a_reader_knows_how_far_the_log_goes
                    the_logs_of_runs_are_apart
                    an_unknown_event_is_left_out_and_what_follows_is_read
                    a_result_with_unknown_words_is_read_with_them
                    the_frame_of_a_run_is_its_opening_and_its_seal
                    a_long_log_with_long_events_is_read_whole
                ]
            }
        }
    };
    (@rules $fresh:ident, $test:meta, $($room:ident { $($topic:ident [ $($rule:ident)* ])* })*) => {
        $(
            mod $room {
                $(
                    mod $topic {
                        $(
                            #[$test]
                            async fn $rule() {
                                let queue = crate::$fresh().await;
                                let rule = crate::contract::$room::$topic::$rule(&queue);
                                crate::contract::test_queue::in_time(&queue, rule).await;
                            }
                        )*
                    }
                )*
            }
        )*
    };
}
pub(crate) use every_rule;

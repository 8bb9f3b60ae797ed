# The report as Markdown, for the summary of a job.

# What registries and configs say shows as text, whatever it is: no link, no image, no other cell.
def text: (. // "") | tostring
  | if length > 300 then .[0:300] + " ..." else . end
  | gsub("(?<other>[^A-Za-z0-9 ./-])"; "&#\(.other | explode[0]);");

def size:
  if . >= 1073741824 then "\(. * 10 / 1073741824 | floor / 10) GiB"
  elif . >= 1048576 then "\(. * 10 / 1048576 | floor / 10) MiB"
  elif . >= 1024 then "\(. * 10 / 1024 | floor / 10) KiB"
  else "\(.) B" end;

# A summary has 1 MiB at most, and so has every step.
def table($title; $last; $rows):
  if $rows == [] then empty else
    "#### \($title)", "",
    "| Image | Target | \($last) |", "|---|---|---|",
    ($rows[:200][] | "| \("\(.image):\(.tag)" | text) | \(.target | text) | \(.last) |"),
    if ($rows | length) > 200 then "", "And \(($rows | length) - 200) more: the report has all." else empty end,
    ""
  end;

def results($action): [.results[] | select(.action == $action)];

"### image-sync: \(.summary | [
    "\(.pulled) copied", "\(.already_cached) up to date",
    (select(.skipped > 0) | "\(.skipped) to be copied"),
    (select((.kept // 0) > 0) | "\(.kept) kept"),
    "\(.failed) failed"
  ] | join(", "))",
"",
(select(.status != "complete") | "The run is \(.status | text): \(.missing | length) images have no result.", ""),
table("Failed"; "Why"; results("failed") | map(. + {last: (.error | text)})),
table("Without a result"; "Why"; .missing | map(. + {last: (.error | text)})),
table("Copied"; "Sent"; results("pulled") | map(. + {last: (.bytes_copied | size)})),
table("To be copied"; "Missing at the target"; results("skipped") | map(. + {last: (.would_copy.bytes // 0 | size)}))

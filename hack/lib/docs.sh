# Commands that a page shows, so that what people read is what runs. Sourced.

# commands_of PAGE SECTION...: prints the shell blocks under the headings "## SECTION. ..." and "### SECTION".
commands_of() {
    local page=$1
    shift
    awk -v sections=" $* " '
        /^##+ / { word = $2; sub(/\.$/, "", word); wanted = index(sections, " " word " ") }
        /^```/ { inside = !inside && wanted && $0 == "```sh"; next }
        inside
    ' "$page"
}

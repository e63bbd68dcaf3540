# Commands that a page shows, so that what people read is what runs. Sourced.

# commands_of PAGE SECTION...: prints the shell blocks under the headings "## SECTION. ...".
commands_of() {
    local page=$1
    shift
    awk -v sections=" $* " '
        /^## / { wanted = index(sections, " " substr($2, 1, length($2) - 1) " ") }
        /^```/ { inside = !inside && wanted && $0 == "```sh"; next }
        inside
    ' "$page"
}

#!/usr/bin/env bash
# Keeps a table of the cluster's members current and prints it whenever it changes:
# examples/follow.sh /run/headcount.sock
#
# Needs bash 4 and curl. The agent's records have no spaces or line ends between their tokens, the
# type comes first and in each member "name" comes before "state": enough to go without a parser.
# Survives restarts of the agent: it connects again, resumes after the last record it saw, and
# begins anew where that cannot be.
set -u
socket=${1:-/run/headcount.sock}
declare -A states=()
epoch='' seq='' pause=1

# What stands in quotes: any sign but these two, or either of them behind a \.
text='(([^"\]|\\.)*)'

# Sets `value` to that of the first field called $2 in the record $1, or to nothing.
field() {
    local pattern="\"$2\":(\"$text\"|[0-9]+)"
    value=''
    [[ $1 =~ $pattern ]] && value=${BASH_REMATCH[1]} && plain
}

# Takes the quotes from `value`, and the \ before a quote and another \. Names hold nothing else
# that JSON writes so.
plain() {
    value=${value#\"} value=${value%\"}
    value=${value//\\\"/\"}
    value=${value//\\\\/\\}
}

# Takes in every member that the record $1 holds.
put() {
    local rest=$1
    local pattern="\\{\"name\":(\"$text\"),\"id\":\"[0-9a-f]*\",\"address\":\"[^\"]*\",\"state\":\"([a-z]*)\""
    while [[ $rest =~ $pattern ]]; do
        value=${BASH_REMATCH[1]} && plain
        states[$value]=${BASH_REMATCH[4]}
        rest=${rest#*"${BASH_REMATCH[0]}"}
    done
}

show() {
    local line=()
    while read -r name; do
        line+=("$name=${states[$name]}")
    done < <(printf '%s\n' "${!states[@]}" | LC_ALL=C sort)
    echo "${line[*]}"
}

apply() {
    local record=$1 type
    field "$record" type
    type=$value
    case $type in
    snapshot)
        field "$record" epoch
        epoch=$value states=()
        put "$record"
        show
        ;;
    removed)
        field "$record" name
        # Quoted so that the name is taken as it is, whatever it holds.
        unset 'states[$value]'
        show
        ;;
    *)
        # Whatever the type: newer agents may know more of them.
        case $record in *'"member":{'*) put "$record" && show ;; esac
        ;;
    esac
    # A gap has no number: until its snapshot came, we are still before it.
    field "$record" seq
    seq=${value:-$seq}
}

while true; do
    # The agent sends a heartbeat every 10 s: less than a byte in 35 s is a dead stream.
    while IFS= read -r record; do
        pause=1
        apply "$record"
    done < <(curl --silent --show-error --fail --no-buffer --speed-limit 1 --speed-time 35 \
        --unix-socket "$socket" "http://headcount/v1/watch${epoch:+?resume=$epoch:$seq}")
    echo "the stream ended; trying again" >&2
    sleep "$pause"
    pause=$((pause * 2 > 5 ? 5 : pause * 2))
done

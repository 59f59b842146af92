# What the README says of systemd, tried where that is process 1.
set -eux

await() {
    for _ in {1..600}; do
        if "$@"; then return; fi
        sleep 0.1
    done
    false
}

agent() { systemctl show --property=MainPID --value headcount.service; }
is_another() { new=$(agent); [ "$new" != 0 ] && [ "$new" != "$1" ]; }
is_gone() { [ ! -e "/proc/$1" ]; }
is_counted() { systemctl status headcount.service | grep --quiet '1 alive, 0 suspect'; }
is_logged() { journalctl --unit=headcount.service | grep --quiet "$1"; }
is_down() { ! systemctl is-active headcount.service; }

mkdir -p /etc/default /etc/systemd/system/headcount.service.d
printf 'HEADCOUNT_BIND=127.0.0.1\nHEADCOUNT_INSECURE=true\n' >/etc/default/headcount
printf '[Service]\nWatchdogSec=5s\n' >/etc/systemd/system/headcount.service.d/soon.conf
systemctl daemon-reload

# It is started once it answers, as nobody in particular.
systemctl enable --now headcount.socket headcount.service
systemctl is-active headcount.service
await is_counted
[ "$(stat --format=%u "/proc/$(agent)")" != 0 ]
headcount status

# It takes up its configuration again.
systemctl reload headcount.service
await is_logged 'read the configuration again'

# Whoever connects after a failure waits for the next process, which remembers the one before.
first=$(agent)
kill -KILL "$first"
await is_gone "$first"
headcount status --json | grep '"generation":2'
is_another "$first"

# A loop that stands still is ended and started anew.
second=$(agent)
kill -STOP "$second"
await is_another "$second"
is_logged 'Watchdog timeout'
headcount status --json | grep '"generation":3'

# One that left stays away until somebody connects.
headcount leave
await is_down
[ "$(systemctl show --property=Result --value headcount.service)" = success ]
headcount status --json | grep '"generation":4'

# To stop the socket is to stop both.
systemctl stop headcount.socket
is_down
! headcount status

# Sourced by ./run and eng/servers.sh: how they speak to people, and how they find free ports.
# Everything said here goes to stderr, because stdout belongs to the command's result (`demo --json`, `env`).
# shellcheck shell=bash

if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 404)); then
  printf 'error: bash %s is too old\n  remedy: install bash 5 (macOS: brew install bash)\n' "$BASH_VERSION" >&2
  exit 1
fi

# shellcheck disable=SC2034  # some are used by those who source this
if [[ -t 2 && -z ${NO_COLOR:-} ]]; then
  red=$'\e[31m' dim=$'\e[2m' bold=$'\e[1m' plain=$'\e[0m'
else
  red='' dim='' bold='' plain=''
fi

step_text='' step_began=0 step_ticker=''

say() { close_step_line; printf '%s\n' "$*" >&2; }

fail() { # fail WHAT REMEDY
  close_step_line
  printf '%serror:%s %s\n  remedy: %s\n' "$red" "$plain" "$1" "$2" >&2
  exit 1
}

microseconds() {
  # EPOCHREALTIME has a decimal comma in some locales, and bash 4 has none.
  if [[ -n ${EPOCHREALTIME:-} ]]; then echo "${EPOCHREALTIME//[!0-9]/}"; else echo $((SECONDS * 1000000)); fi
}

begin_step() {
  step_text=$* step_began=$(microseconds)
  printf '%s ... ' "$step_text" >&2
  [[ -t 2 ]] || return 0
  # The ticker looks for its parent, so that it does not outlive one that was killed outright.
  ( seconds=0
    while sleep 1 && kill -0 $$ 2>/dev/null; do
      printf '\r%s ... %s%d s%s' "$step_text" "$dim" $((++seconds)) "$plain"
    done ) >&2 </dev/null 9>&- &
  step_ticker=$!
}

end_step() {
  local tenths=$((($(microseconds) - step_began) / 100000))
  stop_ticker
  [[ -t 2 ]] && printf '\r\e[K%s ... ' "$step_text" >&2
  printf '%d.%d s\n' $((tenths / 10)) $((tenths % 10)) >&2
  step_text=''
}

stop_ticker() {
  [[ -n $step_ticker ]] || return 0
  kill "$step_ticker" 2>/dev/null || true
  wait "$step_ticker" 2>/dev/null || true
  step_ticker=''
}

close_step_line() {
  stop_ticker
  [[ -z $step_text ]] || printf '\n' >&2
  step_text=''
}
trap close_step_line EXIT

within() { # within SECONDS COMMAND...
  local seconds=$1
  shift
  if command -v timeout >/dev/null; then timeout "$seconds" "$@"; else "$@"; fi
}

# ---- ports: picked once per instance, remembered in $state/ports, checked again before every start

tcp_answers() { # tcp_answers HOST PORT
  # shellcheck disable=SC2016
  within 3 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$1" "$2" 2>/dev/null
}

port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

load_ports() {
  # shellcheck disable=SC1091
  if [[ -f $state/ports ]]; then source "$state/ports"; fi
}

claim_port() { # claim_port NAME: sets $port_NAME to the remembered port, or to a new one where that is taken
  local name=port_$1 old new
  old=${!name:-}
  if [[ -n $old ]] && port_is_free "$old"; then return; fi
  # Below 32768, where the kernel hands out ports for outgoing connections; and none that a sleeping instance counts on.
  while new=$((20000 + RANDOM % 12000)); grep -qs "=$new\$" "$servers"/*/ports || ! port_is_free "$new"; do :; done
  printf -v "$name" '%s' "$new"
  { grep -sv "^$name=" "$state/ports" || true; echo "$name=$new"; } >"$state/ports.new"
  mv "$state/ports.new" "$state/ports"
  if [[ -n $old ]]; then say "port $old ($1) is now used by another program: taking $new instead"; fi
}

free_kilobytes() { df -Pk "$1" | awk 'NR == 2 { print $4 }'; }

apt_install() { # apt_install PACKAGES...: only ever for what the machine does not have
  local log=$servers/apt.log
  command -v apt-get >/dev/null ||
    fail "this machine has no $1 and no apt-get to install it with" "install $1, start Docker, or set JOBS_POSTGRES and JOBS_RABBITMQ"
  begin_step "installing $*"
  # Without lists (a fresh container) the first try fails at once; with lists it saves the download of new ones.
  { apt_get install "$@" || { apt_get update && apt_get install "$@"; }; } >"$log" 2>&1 </dev/null ||
    fail "apt-get install $* failed: $(last_line "$log")" "read $log"
  end_step
}

apt_get() {
  DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends -o Dpkg::Options::=--force-confold "$@"
}

last_line() { grep -v '^[[:space:]]*$' "$1" 2>/dev/null | tail -n 1; }

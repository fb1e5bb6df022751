#!/usr/bin/env bash
# PostgreSQL and RabbitMQ for Jobs, wherever they can be had: named by the environment, else Docker, else private servers.
set -euo pipefail

usage() {
  cat <<'END'
eng/servers.sh VERB

  up                        start what is not running, and wait until it answers
  down [--wipe]             stop what `up` started; the data stays, unless wiped
  status [--json]           what runs where; exit code 0 when all of it is up
  env                       print export lines: JOBS_POSTGRES, JOBS_RABBITMQ, JOBS_RABBITMQ_MANAGEMENT, JOBS_SERVERS
  kill postgres|rabbitmq    end a server as a power cut would
  start postgres|rabbitmq   start it again, and wait until it answers
  rabbitmqctl ARGS...       run rabbitmqctl against the broker

  JOBS_INSTANCE (main)      servers of another name have their own data and ports, and run beside these
  JOBS_POSTGRES, JOBS_RABBITMQ, JOBS_RABBITMQ_MANAGEMENT    use these servers; they are never started nor stopped
  JOBS_SERVERS=docker|private    do not choose
END
}

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
instance=${JOBS_INSTANCE:-main}
servers=$repo/.servers
state=$servers/$instance
port_postgres='' port_amqp='' port_management='' port_prometheus='' port_distribution='' port_epmd=''

source "$repo/eng/common.sh"
source "$repo/eng/postgres.sh"
source "$repo/eng/rabbitmq.sh"
source "$repo/eng/docker.sh"

# ---- which servers

is_external() {
  case ${JOBS_SERVERS:-} in
    docker | private) return 1 ;; # then JOBS_POSTGRES and JOBS_RABBITMQ are our own words, from `env`
    external | '') ;;
    *) fail "JOBS_SERVERS is '$JOBS_SERVERS'" "set it to external, docker or private, or unset it to let this script choose" ;;
  esac
  if [[ -z ${JOBS_SERVERS:-}${JOBS_POSTGRES:-}${JOBS_RABBITMQ:-} ]]; then return 1; fi
  [[ -n ${JOBS_POSTGRES:-} ]] || fail "JOBS_POSTGRES is missing" "set it beside JOBS_RABBITMQ, or unset both to have servers started"
  [[ -n ${JOBS_RABBITMQ:-} ]] || fail "JOBS_RABBITMQ is missing" "set it beside JOBS_POSTGRES, or unset both to have servers started"
}

remembered_kind() { cat "$state/kind" 2>/dev/null || true; }

kind_in_use() { # for every verb but `up`
  if is_external; then echo external; else remembered_kind; fi
}

choose_kind() { # for `up`
  local remembered
  remembered=$(remembered_kind)
  if is_external; then echo external
  elif [[ -n ${JOBS_SERVERS:-} ]]; then echo "$JOBS_SERVERS"
  elif [[ -n $remembered ]] && any_is_up "$remembered"; then echo "$remembered"
  elif docker_answers; then echo docker
  else echo private; fi
}

is_up() { # is_up KIND postgres|rabbitmq
  case $1-$2 in
    external-postgres) tcp_answers "$(external_postgres 'host|server' localhost)" "$(external_postgres port 5432)" ;;
    external-rabbitmq) tcp_answers "$(external_rabbitmq_host)" "$(external_rabbitmq_port)" ;;
    docker-*) docker_is_up "$2" ;;
    private-postgres) postgres_pid >/dev/null && postgres_answers ;;
    private-rabbitmq) rabbitmq_pid >/dev/null && rabbitmq_answers ;;
    *) return 1 ;;
  esac
}

any_is_up() {
  case $1 in
    docker) docker_answers && { docker_is_up postgres || docker_is_up rabbitmq; } ;;
    private) postgres_pid >/dev/null || rabbitmq_pid >/dev/null ;;
  esac
}

external_postgres() { # external_postgres KEY DEFAULT: one value of the connection string
  local value
  value=$(tr ';' '\n' <<<"$JOBS_POSTGRES" | sed -nE "s/^ *($1) *= *(.*[^ ]) *\$/\2/Ip" | head -n 1)
  echo "${value:-$2}"
}

external_rabbitmq_host() { sed -E 's,^[a-z]+://,,; s,/.*,,; s,.*@,,; s,:[0-9]+$,,' <<<"$JOBS_RABBITMQ"; }

external_rabbitmq_port() {
  local port
  port=$(sed -nE 's,^[a-z]+://([^/]*@)?[^/@]*:([0-9]+)(/.*)?$,\2,p' <<<"$JOBS_RABBITMQ")
  echo "${port:-5672}"
}

# ---- verbs

up() {
  local kind
  kind=$(choose_kind)
  case $kind in
    external)
      say "servers: external, from JOBS_POSTGRES and JOBS_RABBITMQ"
      is_up external postgres || fail "JOBS_POSTGRES does not answer" "start that server, or unset JOBS_POSTGRES and JOBS_RABBITMQ"
      is_up external rabbitmq || fail "JOBS_RABBITMQ does not answer" "start that server, or unset JOBS_POSTGRES and JOBS_RABBITMQ"
      return ;;
    docker)
      say "servers: docker (compose project jobs-$instance)"
      docker_answers || fail "no Docker engine with compose answers" "start Docker, or unset JOBS_SERVERS"
      remember_kind docker
      docker_start postgres rabbitmq ;;
    private)
      say "servers: private to this checkout (instance $instance, in .servers/$instance)"
      check_machine
      remember_kind private
      postgres_start
      rabbitmq_start ;;
  esac
}

need_root() {
  ((EUID == 0)) || fail "the private servers of instance $instance belong to root" "run this as root"
}

remember_kind() { echo "$1" >"$state/kind"; }

check_machine() {
  ((EUID == 0)) || fail "no Docker engine answers, and private servers need root" \
    "start Docker, or run this as root, or set JOBS_POSTGRES and JOBS_RABBITMQ"
  [[ $(uname -s) == Linux ]] || fail "no Docker engine answers, and private servers need Linux" \
    "start Docker, or set JOBS_POSTGRES and JOBS_RABBITMQ"
  unshare --mount true 2>/dev/null || fail "this container may not mount, and private servers must" \
    "give it the capability SYS_ADMIN, or set JOBS_POSTGRES and JOBS_RABBITMQ"
  (($(free_kilobytes "$state") >= 2 * 1024 * 1024)) || fail "less than 2 GB of disk is free in $servers" "free some space there"
}

down() { # down [--wipe]
  local wipe=${1:-}
  [[ -z $wipe || $wipe == --wipe ]] || fail "unknown option $wipe" "down [--wipe]"
  case $(kind_in_use) in
    external) say "servers: external, left alone" ;;
    docker) if [[ $wipe ]]; then docker_stop --volumes; else docker_stop; fi ;;
    private)
      need_root
      rabbitmq_stop
      postgres_stop
      if [[ $wipe ]]; then
        rabbitmq_wipe
        postgres_wipe
      fi ;;
    '') say "servers: none were started" ;;
  esac
  if [[ $wipe ]]; then rm -f "$state/kind" "$state/ports"; fi
}

addresses() { # sets the three addresses of the servers in use
  case $1 in
    external)
      postgres=$JOBS_POSTGRES rabbitmq=$JOBS_RABBITMQ
      management=${JOBS_RABBITMQ_MANAGEMENT:-http://$(external_rabbitmq_host):15672} ;;
    *)
      postgres="Host=127.0.0.1;Port=$port_postgres;Username=jobs;Password=jobs;Database=jobs"
      rabbitmq="amqp://jobs:jobs@127.0.0.1:$port_amqp/"
      management="http://127.0.0.1:$port_management" ;;
  esac
}

environment() {
  local kind postgres rabbitmq management
  kind=$(require_kind)
  addresses "$kind"
  # JOBS_INSTANCE goes along, so that `kill` and `start` from a process with this environment reach these servers.
  printf 'export %s=%q\n' JOBS_SERVERS "$kind" JOBS_INSTANCE "$instance" \
    JOBS_POSTGRES "$postgres" JOBS_RABBITMQ "$rabbitmq" JOBS_RABBITMQ_MANAGEMENT "$management"
}

require_kind() {
  local kind
  kind=$(kind_in_use)
  [[ -n $kind ]] || fail "no servers (instance $instance)" "./run up"
  echo "$kind"
}

status() { # status [--json]
  local kind postgres='' rabbitmq='' management='' postgres_up=false rabbitmq_up=false
  kind=$(kind_in_use)
  if is_up "${kind:-none}" postgres; then postgres_up=true; fi
  if is_up "${kind:-none}" rabbitmq; then rabbitmq_up=true; fi
  if [[ $kind ]]; then addresses "$kind"; fi
  if [[ ${1:-} == --json ]]; then
    printf '{"instance":"%s","servers":"%s","postgres":{"up":%s,"address":"%s"},"rabbitmq":{"up":%s,"address":"%s","management":"%s"}}\n' \
      "$instance" "${kind:-none}" $postgres_up "$(json "$postgres")" $rabbitmq_up "$(json "$rabbitmq")" "$(json "$management")"
  else
    printf '%-11s%s\n' instance "$instance" servers "${kind:-none}"
    if [[ $kind ]]; then
      printf '%-11s%-6s%s\n' postgres "$(up_or_down $postgres_up)" "$postgres" rabbitmq "$(up_or_down $rabbitmq_up)" "$rabbitmq"
      printf '%-11s%-6s%s\n' '' '' "$management"
    fi
    if [[ $kind == private ]]; then
      printf '%-11s%s\n' pids "postgres $(postgres_pid || echo -), rabbitmq $(rabbitmq_pid || echo -)" \
        logs "$(postgres_log)" '' "$(rabbitmq_log)"
    fi
  fi
  [[ $postgres_up == true && $rabbitmq_up == true ]]
}

up_or_down() { if [[ $1 == true ]]; then echo up; else echo down; fi; }

json() { sed 's/\\/\\\\/g; s/"/\\"/g' <<<"$1"; }

one_server() { # one_server kill|start postgres|rabbitmq
  local verb=$1 server=${2:-} kind
  [[ $server == postgres || $server == rabbitmq ]] || fail "$verb what?" "eng/servers.sh $verb postgres|rabbitmq"
  kind=$(require_kind)
  case $kind in
    external) fail "the servers are external and are never started nor stopped from here" "unset JOBS_POSTGRES and JOBS_RABBITMQ" ;;
    docker) "docker_$verb" "$server" ;;
    private)
      need_root
      "${server}_$verb" ;;
  esac
}

rabbitmqctl() {
  local kind
  kind=$(require_kind)
  case $kind in
    external) fail "the broker is external" "run rabbitmqctl where it lives" ;;
    docker) compose exec -T rabbitmq rabbitmqctl "$@" ;;
    private)
      need_root
      rabbitmq_ctl "$@" ;;
  esac
}

lock() { # one change at a time per instance; every server is started with fd 9 closed, or it would hold the lock for life
  mkdir -p "$state"
  command -v flock >/dev/null || return 0
  exec 9>"$state/lock"
  flock -n 9 || { say "waiting for another process that changes the servers of instance $instance"; flock 9; }
  load_ports
}

[[ $instance =~ ^[a-z0-9][a-z0-9-]*$ ]] || fail "JOBS_INSTANCE is '$instance'" "use lower-case letters, digits and hyphens"
verb=${1:-help}
if (($# > 0)); then shift; fi
load_ports
case $verb in
  up) lock; up ;;
  down) lock; down "$@" ;;
  kill | start) lock; one_server "$verb" "$@" ;;
  status) status "$@" ;;
  env) environment ;;
  rabbitmqctl) rabbitmqctl "$@" ;;
  help | --help | -h) usage ;;
  *) usage >&2; fail "unknown verb '$verb'" "use one of those above" ;;
esac

# Sourced by eng/servers.sh: the private PostgreSQL of one instance.
# shellcheck shell=bash

postgres_log() { echo "$(postgres_dir)/log"; }

postgres_dir() {
  # The server runs as an ordinary user, who cannot enter a checkout under, say, /root: then its data lives in /var/tmp.
  local elsewhere
  elsewhere=/var/tmp/jobs-servers-$(printf '%s' "$repo" | cksum | cut -d' ' -f1)/$instance
  if [[ -d $state/postgres ]]; then echo "$state/postgres"
  elif [[ -d $elsewhere ]]; then echo "$elsewhere/postgres"
  elif as_postgres test -x "$state" 2>/dev/null; then echo "$state/postgres"
  else echo "$elsewhere/postgres"; fi
}

as_postgres() {
  if ((EUID == 0)); then setpriv --reuid=postgres --regid=postgres --clear-groups -- "$@"; else "$@"; fi
}

postgres_tool() { # postgres_tool NAME ARGS...: of the version that made the data, else of the newest installed
  local tool=$1 version dir
  shift
  dir=$(postgres_dir)
  if version=$(cat "$dir/data/PG_VERSION" 2>/dev/null); then
    [[ -x /usr/lib/postgresql/$version/bin/$tool ]] ||
      fail "the data in $dir is of PostgreSQL $version, which is not installed" "apt-get install postgresql-$version, or ./run down --wipe"
  else
    version=$(postgres_newest)
  fi
  (cd "$dir" && as_postgres "/usr/lib/postgresql/$version/bin/$tool" "$@" 9>&-)
}

postgres_newest() {
  local initdb
  for initdb in /usr/lib/postgresql/*/bin/initdb; do
    if [[ -x $initdb ]]; then basename "${initdb%/bin/initdb}"; fi
  done | sort -V | tail -n 1
}

postgres_install() {
  [[ -z $(postgres_newest) ]] || return 0
  # Or Debian would create and start a cluster of its own on port 5432.
  if [[ ! -e /etc/postgresql-common/createcluster.conf ]]; then
    mkdir -p /etc/postgresql-common
    echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
  fi
  apt_install postgresql
}

postgres_create() {
  local dir log
  dir=$(postgres_dir)
  [[ ! -d $dir/data ]] || return 0
  mkdir -p "$dir"
  [[ -O $(dirname "$dir") ]] || fail "$(dirname "$dir") belongs to another user" "remove it, or run this from another checkout"
  log=$dir/initdb.log
  if ((EUID == 0)); then chown postgres "$dir"; fi
  chmod 700 "$dir"
  begin_step "postgres: creating a database cluster"
  # It is made beside its place and then renamed: an interrupted run leaves nothing that looks complete.
  rm -rf "$dir/data.new"
  echo jobs >"$dir/password"
  { postgres_tool initdb -D "$dir/data.new" -U jobs --pwfile="$dir/password" --encoding=UTF8 --locale=C.UTF-8 \
      --auth-local=reject --auth-host=scram-sha-256 &&
    echo "include 'jobs.conf'" >>"$dir/data.new/postgresql.conf" &&
    : >"$dir/data.new/jobs.conf" &&
    echo 'CREATE DATABASE jobs' | postgres_tool postgres --single -D "$dir/data.new" -c port=1 postgres; } >"$log" 2>&1 ||
    fail "initdb failed: $(last_line "$log")" "read $log"
  mv "$dir/data.new" "$dir/data"
  end_step
}

postgres_pid() {
  # A pid file may be older than the last reboot; the process in it is ours only if it sits in our data directory.
  local data pid
  data=$(postgres_dir)/data
  { read -r pid <"$data/postmaster.pid"; } 2>/dev/null || return 1
  [[ $pid == +([0-9]) && $(readlink "/proc/$pid/cwd") == "$(cd "$data" && pwd -P)" ]] && echo "$pid"
}

postgres_has_processes() {
  local data
  data=$(cd "$(postgres_dir)/data" && pwd -P)
  { readlink /proc/[0-9]*/cwd 2>/dev/null || true; } | grep -Fxq -- "$data"
}

postgres_start() {
  local dir log
  if postgres_pid >/dev/null; then
    load_ports
    postgres_await
    return
  fi
  postgres_install
  postgres_create
  dir=$(postgres_dir) log=$(postgres_log)
  claim_port postgres
  { cat "$repo/eng/postgres.conf"
    echo "listen_addresses = '127.0.0.1'"
    echo "port = $port_postgres"
    echo "unix_socket_directories = ''   # a socket's path may not exceed 107 characters, a checkout's may"
  } >"$dir/data/jobs.conf"
  # After a reboot the stale file may name a process of another instance, and postgres would then refuse to start.
  postgres_has_processes || rm -f "$dir/data/postmaster.pid"
  begin_step "postgres: starting on port $port_postgres"
  postgres_tool pg_ctl start -s -w -t 120 -D "$dir/data" -l "$log" >"$dir/start.log" 2>&1 </dev/null ||
    fail "postgres did not start: $(tail -n 20 "$log" | grep -m 1 FATAL || last_line "$dir/start.log")" "read $log"
  end_step
}

postgres_await() {
  local tries
  for ((tries = 0; tries < 600; tries++)); do
    if postgres_answers; then return; fi
    sleep 0.1
  done
  fail "postgres (pid $(postgres_pid)) does not answer on port $port_postgres" "read $(postgres_log)"
}

postgres_answers() { postgres_tool pg_isready -q -h 127.0.0.1 -p "$port_postgres" -U jobs -d jobs; }

postgres_stop() {
  local data
  postgres_pid >/dev/null || return 0
  data=$(postgres_dir)/data
  begin_step "postgres: stopping"
  postgres_tool pg_ctl stop -s -m fast -w -t 60 -D "$data" 2>/dev/null ||
    postgres_tool pg_ctl stop -s -m immediate -w -t 60 -D "$data"
  end_step
}

postgres_kill() {
  postgres_pid >/dev/null || fail "postgres of instance $instance is not running" "eng/servers.sh start postgres"
  postgres_tool pg_ctl stop -s -m immediate -w -t 60 -D "$(postgres_dir)/data"
}

postgres_wipe() {
  local dir
  dir=$(postgres_dir)
  rm -rf --one-file-system "$dir"
  if [[ $dir == /var/tmp/jobs-servers-* ]]; then rmdir "${dir%/*}" "${dir%/*/*}" 2>/dev/null || true; fi
}

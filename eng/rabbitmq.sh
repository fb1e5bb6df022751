# Sourced by eng/servers.sh: the private RabbitMQ of one instance.
# shellcheck shell=bash
#
# Debian 12 has no RabbitMQ new enough, and the Erlang of Debian's unstable suite needs a newer libc than Debian 12's. So the
# broker lives in a root filesystem of its own, shared by all instances. Each server enters it through a mount namespace of its
# own, where the instance's directories lie over the root's: the mounts are invisible to the rest of the machine and end with the
# server, so that no `rm -rf` of a checkout can ever reach the real /dev.

rabbitmq_root=$servers/rabbitmq-root
rabbitmq_home=$state/rabbitmq
rabbitmq_debian_mirror=${JOBS_DEBIAN_MIRROR:-http://deb.debian.org/debian}
rabbitmq_oldest=4.3

rabbitmq_log() { echo "$rabbitmq_home/log/jobs-$instance@localhost.log"; }

rabbitmq_install() {
  local temporary=$servers/rabbitmq-root.new log=$servers/debootstrap.log version
  exec 8>"$servers/rabbitmq-root.lock"
  flock -n 8 || { say "waiting for another process that installs RabbitMQ"; flock 8; }
  if [[ ! -d $rabbitmq_root ]]; then
    command -v debootstrap >/dev/null || apt_install debootstrap
    [[ -f /usr/share/keyrings/debian-archive-keyring.gpg ]] || apt_install debian-archive-keyring
    begin_step "rabbitmq: downloading it with Debian's unstable suite (about 400 MB on disk)"
    rm -rf --one-file-system "$temporary"
    mkdir -p "$temporary"
    # A namespace here too: debootstrap mounts /proc in the new root, and an interrupted run must not leave that behind. And it
    # cannot work in a path with spaces, so that it sees the directory as /mnt.
    # shellcheck disable=SC2016
    unshare --mount --propagation private -- bash -euc '
      mount --bind "$1" /mnt
      debootstrap --variant=minbase --include=rabbitmq-server --force-check-gpg \
        --keyring=/usr/share/keyrings/debian-archive-keyring.gpg sid /mnt "$2" || { cat /mnt/debootstrap/debootstrap.log; exit 1; }
    ' debootstrap "$temporary" "$rabbitmq_debian_mirror" >"$log" 2>&1 </dev/null ||
      fail "debootstrap failed: $(grep '^E:' "$log" || last_line "$log")" "check the network and read $log; then run this again"
    rm -rf "$temporary"/var/cache/apt/archives/*.deb "$temporary"/var/lib/apt/lists/*
    echo '127.0.0.1 localhost' >"$temporary/etc/hosts" # the node hangs at start when it cannot resolve its own name
    version=$(cd "$temporary/usr/lib/rabbitmq/lib" && echo rabbitmq_server-*)
    version=${version#rabbitmq_server-}
    [[ $(printf '%s\n' "$rabbitmq_oldest" "$version" | sort -V | head -n 1) == "$rabbitmq_oldest" ]] ||
      fail "Debian's unstable suite holds RabbitMQ $version, Jobs needs $rabbitmq_oldest" "start Docker, or set JOBS_POSTGRES and JOBS_RABBITMQ"
    mv "$temporary" "$rabbitmq_root"
    end_step
  fi
  exec 8>&-
}

# Every process of this instance's broker carries this line in its environment (the broker itself, Erlang's port mapper, their
# helpers). That, and not a pid file that a reboot makes stale, is how we know what is ours.
rabbitmq_mark() { echo "JOBS_SERVERS_DIRECTORY=$state"; }

rabbitmq_pids() { # rabbitmq_pids NAME: our processes of that name; without NAME all of them
  local pid name
  { grep -lzFxs -- "$(rabbitmq_mark)" /proc/[0-9]*/environ || true; } | while IFS=/ read -r _ _ pid _; do
    name=$(cat "/proc/$pid/comm" 2>/dev/null) || continue
    if [[ -z ${1:-} || $name == "$1" ]]; then echo "$pid"; fi
  done
}

rabbitmq_pid() { rabbitmq_pids beam.smp | grep -m 1 .; }

rabbitmq_environment() {
  printf '%s\n' "$(rabbitmq_mark)" \
    PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/var/lib/rabbitmq LANG=C.UTF-8 \
    "RABBITMQ_NODENAME=jobs-$instance@localhost" "RABBITMQ_DIST_PORT=$port_distribution" \
    "ERL_EPMD_PORT=$port_epmd" ERL_EPMD_ADDRESS=127.0.0.1 \
    'RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}' \
    RUNNING_UNDER_SYSTEMD=true # this only makes the start script become the broker instead of watching over it
}

rabbitmq_configure() {
  local owner
  owner=$(awk -F: '$1 == "rabbitmq" { print $3 ":" $4 }' "$rabbitmq_root/etc/passwd")
  mkdir -p "$rabbitmq_home"/{lib,log,etc}
  cp "$repo/eng/rabbitmq-plugins" "$rabbitmq_home/etc/enabled_plugins"
  { cat "$repo/eng/rabbitmq.conf"
    echo "listeners.tcp.1 = 127.0.0.1:$port_amqp"
    echo "management.tcp.ip = 127.0.0.1"
    echo "management.tcp.port = $port_management"
    echo "prometheus.tcp.ip = 127.0.0.1"
    echo "prometheus.tcp.port = $port_prometheus"
  } >"$rabbitmq_home/etc/rabbitmq.conf"
  chown -R "$owner" "$rabbitmq_home"/{lib,log,etc}
}

rabbitmq_start() {
  local port environment
  if rabbitmq_pid >/dev/null; then
    load_ports
    rabbitmq_await
    return
  fi
  rabbitmq_install
  # A first start that was cut short may have made a node without its user; there is nothing in it to keep.
  if [[ ! -e $rabbitmq_home/complete ]]; then rm -rf --one-file-system "${rabbitmq_home:?}/lib"; fi
  for port in amqp management prometheus distribution; do claim_port "$port"; done
  if [[ -z $(rabbitmq_pids epmd) ]]; then claim_port epmd; fi
  rabbitmq_configure
  mapfile -t environment < <(rabbitmq_environment)
  begin_step "rabbitmq: starting on port $port_amqp"
  ulimit -n 65536 2>/dev/null || true
  # shellcheck disable=SC2016
  setsid unshare --mount --propagation private -- bash -euc '
    root=$1 home=$2; shift 2
    mount --rbind /proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount --bind "$home/lib" "$root/var/lib/rabbitmq"
    mount --bind "$home/log" "$root/var/log/rabbitmq"
    mount --bind "$home/etc" "$root/etc/rabbitmq"
    cd "$root"
    exec chroot "$root" env -i "$@" \
      setpriv --reuid=rabbitmq --regid=rabbitmq --clear-groups /usr/lib/rabbitmq/bin/rabbitmq-server
  ' rabbitmq "$rabbitmq_root" "$rabbitmq_home" "${environment[@]}" >"$rabbitmq_home/log/console.log" 2>&1 </dev/null 9>&- &
  disown
  rabbitmq_await $!
  touch "$rabbitmq_home/complete"
  end_step
}

rabbitmq_await() { # rabbitmq_await PID
  local pid=${1:-} tries
  pid=${pid:-$(rabbitmq_pid)}
  for ((tries = 0; tries < 1200; tries++)); do
    if rabbitmq_answers; then return; fi
    is_alive "$pid" ||
      fail "rabbitmq did not start: $(last_line "$rabbitmq_home/log/console.log")" "read $(rabbitmq_log)"
    sleep 0.1
  done
  fail "rabbitmq (pid $pid) does not answer on port $port_management" "read $(rabbitmq_log)"
}

rabbitmq_answers() (
  # One question covers what a client needs: the user exists, the management API is up, and the node takes AMQP connections.
  exec 2>/dev/null 3<>"/dev/tcp/127.0.0.1/$port_management" || exit 1
  printf 'GET /api/health/checks/port-listener/%s HTTP/1.0\r\nAuthorization: Basic %s\r\n\r\n' \
    "$port_amqp" "$(printf jobs:jobs | base64)" >&3
  read -r -t 5 _ code _ <&3 && [[ $code == 200 ]]
)

is_alive() { # a zombie is not, however long its parent leaves it lying about
  local state
  state=$(sed -n 's/^State:[[:space:]]*//p' "/proc/$1/status" 2>/dev/null) && [[ $state != [ZX]* ]]
}

rabbitmq_signal() { # rabbitmq_signal SIGNAL SECONDS PIDS...: true when all of them are gone in time
  local signal=$1 tries=$(($2 * 20)) pid
  shift 2
  kill "-$signal" "$@" 2>/dev/null || true
  for pid; do
    while is_alive "$pid"; do
      ((tries-- > 0)) || return 1
      sleep 0.05
    done
  done
}

rabbitmq_stop() {
  local pid
  local -a rest
  if pid=$(rabbitmq_pid); then
    begin_step "rabbitmq: stopping"
    rabbitmq_signal TERM 60 "$pid" || rabbitmq_signal KILL 10 "$pid"
    end_step
  fi
  mapfile -t rest < <(rabbitmq_pids)
  ((${#rest[@]} == 0)) || rabbitmq_signal KILL 10 "${rest[@]}"
}

rabbitmq_kill() {
  local pid
  pid=$(rabbitmq_pid) || fail "rabbitmq of instance $instance is not running" "eng/servers.sh start rabbitmq"
  rabbitmq_signal KILL 10 "$pid"
}

rabbitmq_ctl() {
  local pid environment
  pid=$(rabbitmq_pid) || fail "rabbitmq of instance $instance is not running" "./run up"
  mapfile -t environment < <(rabbitmq_environment | grep -v "^JOBS_SERVERS_DIRECTORY=")
  nsenter --mount="/proc/$pid/ns/mnt" -- chroot "$rabbitmq_root" env -i "${environment[@]}" \
    setpriv --reuid=rabbitmq --regid=rabbitmq --clear-groups /usr/lib/rabbitmq/bin/rabbitmqctl "$@"
}

rabbitmq_wipe() { rm -rf --one-file-system "$rabbitmq_home"; }

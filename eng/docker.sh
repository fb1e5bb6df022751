# Sourced by eng/servers.sh: the same servers as containers of docker-compose.yml, one compose project per instance.
# shellcheck shell=bash

docker_answers() { within 5 docker info >/dev/null 2>&1 && docker compose version >/dev/null 2>&1; }

compose() {
  JOBS_POSTGRES_PORT=$port_postgres JOBS_RABBITMQ_PORT=$port_amqp JOBS_MANAGEMENT_PORT=$port_management \
    docker compose --project-name "jobs-$instance" --file "$repo/docker-compose.yml" "$@"
}

docker_is_up() { [[ -n $(compose ps --quiet --status running "$1" 2>/dev/null) ]]; }

docker_start() { # docker_start SERVICES...
  local service port log=$state/docker.log
  for service; do
    docker_is_up "$service" && continue
    case $service in
      postgres) claim_port postgres ;;
      rabbitmq) for port in amqp management; do claim_port "$port"; done ;;
    esac
  done
  begin_step "docker: starting $*"
  compose up --detach --wait --quiet-pull "$@" >"$log" 2>&1 9>&- ||
    fail "docker compose up failed: $(last_line "$log")" "read $log, and docker compose --project-name jobs-$instance logs"
  end_step
}

docker_stop() { # docker_stop [--volumes]
  begin_step "docker: stopping"
  compose down "$@" >"$state/docker.log" 2>&1 || fail "docker compose down failed: $(last_line "$state/docker.log")" "read $state/docker.log"
  end_step
}

docker_kill() { compose kill --signal SIGKILL "$1" >/dev/null 2>&1 || fail "$1 of instance $instance is not running" "eng/servers.sh start $1"; }

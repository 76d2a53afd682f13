#!/usr/bin/env bash
# Real servers for the conformance suites, without Docker: Apache Kafka (KRaft, jars from Maven Central), MinIO and
# FerretDB (MongoDB wire, on SQLite), both built by Go. For tests on one machine: loopback, fixed test credentials.
#
#   infra/services.sh up      fetch and build what is missing, start, wait until ready, print the variables
#   infra/services.sh env     print the variables of the servers that are up:  eval "$(infra/services.sh env)"
#   infra/services.sh down    stop them (data stays; remove the folder to start from nothing)
#
# LAKEHOUSE_SERVICES=kafka,minio,ferretdb chooses; needs mvn and java 17+ for Kafka, go 1.24+ for the others.
set -euo pipefail

home="${LAKEHOUSE_SERVICES_DIR:-$HOME/.cache/lakehouse/services}"
wanted="${LAKEHOUSE_SERVICES:-kafka,minio,ferretdb}"
kafka_version=4.1.1
# The archived head. It equals the last source release, RELEASE.2025-10-15T17-29-55Z, but for documentation; that tag is
# no Go version, and the module proxy does not serve its commit.
minio_version=v0.0.0-20260212201848-7aac2a2c5b7c
ferretdb_version=v1.24.2
kafka_port="${LAKEHOUSE_KAFKA_PORT:-19092}"
kafka_controller_port="${LAKEHOUSE_KAFKA_CONTROLLER_PORT:-19093}"
minio_port="${LAKEHOUSE_MINIO_PORT:-19000}"
ferretdb_port="${LAKEHOUSE_FERRETDB_PORT:-27117}"
access_key=lakehouse
secret_key=lakehouse-test-secret

say() { printf '%s services: %s\n' "$(date +%H:%M:%S)" "$*" >&2; }
die() { say "$*"; exit 1; }
need() { command -v "$1" >/dev/null || die "\`$1\` is needed for $2 and is not installed"; }
is_wanted() { case ",$wanted," in *",$1,"*) true ;; *) false ;; esac; }
is_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# A pid file alone may name a process of somebody else: the command line must match too.
is_running() {
  local pid
  pid=$(cat "$home/$1/pid" 2>/dev/null) || return 1
  kill -0 "$pid" 2>/dev/null && tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q -- "$home/$1"
}

start() { # name, port, command...
  local name=$1 port=$2
  shift 2
  is_open "$port" && die "port $port is taken by another process: $name cannot start"
  (cd "$home/$name" && exec nohup setsid "$@" >"$home/$name/log" 2>&1 </dev/null & echo $! >"$home/$name/pid")
}

wait_ready() { # name, seconds, command...
  local name=$1 deadline=$((SECONDS + $2))
  shift 2
  until "$@" >/dev/null 2>&1; do
    is_running "$name" || { tail -n 20 "$home/$name/log" >&2; die "$name ended while starting"; }
    [ "$SECONDS" -lt "$deadline" ] || { tail -n 20 "$home/$name/log" >&2; die "$name is not ready in time"; }
    sleep 0.3
  done
  say "$name is ready"
}

up_kafka() {
  is_running kafka && return
  need mvn kafka; need java kafka
  local dir="$home/kafka"
  mkdir -p "$dir"
  if [ "$(cat "$dir/version" 2>/dev/null)" != "$kafka_version" ]; then
    say "fetching Apache Kafka $kafka_version from Maven Central"
    cat >"$dir/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>lakehouse.test</groupId><artifactId>kafka-run</artifactId><version>1</version>
<dependencies>
  <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$kafka_version</version></dependency>
  <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
</dependencies></project>
POM
    (cd "$dir" && mvn -q -B dependency:build-classpath -Dmdep.outputFile="$dir/classpath" -DincludeScope=runtime >&2)
    echo "$kafka_version" >"$dir/version"
  fi
  if [ ! -f "$dir/data/meta.properties" ]; then
    cat >"$dir/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:$kafka_controller_port
listeners=PLAINTEXT://127.0.0.1:$kafka_port,CONTROLLER://127.0.0.1:$kafka_controller_port
advertised.listeners=PLAINTEXT://127.0.0.1:$kafka_port,CONTROLLER://127.0.0.1:$kafka_controller_port
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$dir/data
num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
PROPERTIES
    local id
    id=$(java -cp "$(cat "$dir/classpath")" kafka.tools.StorageTool random-uuid 2>/dev/null | tail -n 1)
    java -cp "$(cat "$dir/classpath")" kafka.tools.StorageTool format --standalone -t "$id" \
      -c "$dir/server.properties" >"$dir/format.log" 2>&1 || { tail -n 20 "$dir/format.log" >&2; die "kafka storage cannot be formatted"; }
  fi
  start kafka "$kafka_port" java -Xms256m -Xmx512m -cp "$(cat "$dir/classpath")" kafka.Kafka "$dir/server.properties"
}

up_minio() {
  is_running minio && return
  local dir="$home/minio"
  mkdir -p "$dir/bin" "$dir/data"
  if [ "$(cat "$dir/version" 2>/dev/null)" != "$minio_version" ]; then
    need go minio
    say "building MinIO $minio_version (some minutes)"
    GOBIN="$dir/bin" CGO_ENABLED=0 nice -n 19 go install -ldflags '-s -w' "github.com/minio/minio@$minio_version" >&2
    echo "$minio_version" >"$dir/version"
  fi
  start minio "$minio_port" env MINIO_ROOT_USER=$access_key MINIO_ROOT_PASSWORD=$secret_key MINIO_UPDATE=off \
    MINIO_BROWSER=off "$dir/bin/minio" server --address "127.0.0.1:$minio_port" "$dir/data"
}

# `go install .../cmd/ferretdb` builds a program that panics at start (a generated version file is not in the module);
# the embeddable package in a module of our own skips that check.
up_ferretdb() {
  is_running ferretdb && return
  local dir="$home/ferretdb"
  mkdir -p "$dir/source" "$dir/data"
  if [ "$(cat "$dir/version" 2>/dev/null)" != "$ferretdb_version" ]; then
    need go ferretdb
    say "building FerretDB $ferretdb_version (some minutes)"
    cat >"$dir/source/main.go" <<'GO'
package main

import (
	"context"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	f, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: os.Args[1]},
		Handler:   "sqlite",
		SQLiteURL: "file:" + os.Args[2] + "/",
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := f.Run(ctx); err != nil {
		log.Fatal(err)
	}
}
GO
    (
      cd "$dir/source"
      [ -f go.mod ] || go mod init ferretrun >&2
      nice -n 19 go get "github.com/FerretDB/FerretDB/ferretdb@$ferretdb_version" >&2
      CGO_ENABLED=0 nice -n 19 go build -ldflags '-s -w' -o "$dir/ferretdb" . >&2
    )
    echo "$ferretdb_version" >"$dir/version"
  fi
  start ferretdb "$ferretdb_port" "$dir/ferretdb" "127.0.0.1:$ferretdb_port" "$dir/data"
}

kafka_ready() { is_open "$kafka_port" && grep -q 'Kafka Server started' "$home/kafka/log"; }
minio_ready() { curl -fsS -m 2 "http://127.0.0.1:$minio_port/minio/health/ready"; }
# The suite wants a bucket `lake`; 409 is one that is there already.
minio_bucket() {
  local status
  status=$(curl -sS -m 5 -o /dev/null -w '%{http_code}' -X PUT --aws-sigv4 "aws:amz:us-east-1:s3" \
    --user "$access_key:$secret_key" "http://127.0.0.1:$minio_port/lake")
  [ "$status" = 200 ] || [ "$status" = 409 ] || die "the bucket \`lake\` cannot be made: HTTP $status"
}
ferretdb_ready() { is_open "$ferretdb_port"; }

up() {
  mkdir -p "$home"
  # Two `up` at once would build and start everything twice.
  exec 9>"$home/lock"
  flock -n 9 || { say "another \`services.sh\` is at work in $home: waiting"; flock 9; }
  # The servers must not inherit the lock.
  if is_wanted kafka; then up_kafka 9>&-; fi
  if is_wanted minio; then up_minio 9>&-; fi
  if is_wanted ferretdb; then up_ferretdb 9>&-; fi
  if is_wanted kafka; then wait_ready kafka 90 kafka_ready; fi
  if is_wanted minio; then wait_ready minio 60 minio_ready; minio_bucket; fi
  if is_wanted ferretdb; then wait_ready ferretdb 60 ferretdb_ready; fi
  print_env
}

down() {
  local name pid tries
  for name in kafka minio ferretdb; do
    if is_running "$name"; then
      pid=$(cat "$home/$name/pid")
      kill "$pid" 2>/dev/null || true
      for tries in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.2; done
      if kill -0 "$pid" 2>/dev/null; then say "$name did not stop in 20 s: killed"; kill -9 "$pid" || true; else say "$name stopped"; fi
    fi
    rm -f "$home/$name/pid"
  done
}

print_env() {
  if is_running kafka; then echo "export LAKEHOUSE_TEST_KAFKA_BROKERS=127.0.0.1:$kafka_port"; fi
  if is_running minio; then
    echo "export LAKEHOUSE_TEST_S3_ENDPOINT=http://127.0.0.1:$minio_port"
    echo "export LAKEHOUSE_TEST_S3_ACCESS_KEY=$access_key"
    echo "export LAKEHOUSE_TEST_S3_SECRET_KEY=$secret_key"
  fi
  if is_running ferretdb; then
    echo "export LAKEHOUSE_TEST_MONGODB_URI='mongodb://127.0.0.1:$ferretdb_port/?directConnection=true'"
  fi
}

case "${1:-}" in
  up) up ;;
  down) down ;;
  env) print_env ;;
  *) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac

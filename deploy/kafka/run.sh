#!/usr/bin/env bash
# run.sh JARS DATA PORT CONTROLLER_PORT: becomes a one-node Kafka (KRaft) on the loopback address.
# DATA is formatted when it is new and kept otherwise, so the same call restarts the same broker.
# For tests and evaluation: one replica, no encryption, no authentication.
set -eu
jars=$1 data=$2 port=$3 controller_port=$4
mkdir -p "$data"

cat > "$data/server.properties" <<END
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller_port
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller_port
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=$data/logs
# topics are declared, never made by a typing error
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
# a killed broker's registration must end before it may come back: 3 s instead of 9
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
END
# KAFKA_PROPERTIES: a file of further settings, which win; KAFKA_FORMAT: further options for a new data folder
cat "${KAFKA_PROPERTIES:-/dev/null}" >> "$data/server.properties"

cat > "$data/log4j2.xml" <<END
<Configuration status="ERROR">
  <Appenders><Console name="console"><PatternLayout pattern="%d %p %c{1} %m%n"/></Console></Appenders>
  <Loggers><Root level="WARN"><AppenderRef ref="console"/></Root></Loggers>
</Configuration>
END

# quick to start rather than quick at its peak: KAFKA_JVM overrides for a benchmark
jvm=${KAFKA_JVM:--XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto -Xms256m -Xmx1g}
# an archive of the classes in use halves the start; a JVM that it does not fit goes without
if [ -n "${KAFKA_LEAVES_ARCHIVE:-}" ]; then
  jvm="$jvm -XX:ArchiveClassesAtExit=$KAFKA_LEAVES_ARCHIVE"
elif [ -s "$jars.jsa" ]; then
  jvm="$jvm -XX:SharedArchiveFile=$jars.jsa"
fi
# shellcheck disable=SC2086  # several options in one variable
java_kafka=(java $jvm "-Dlog4j2.configurationFile=$data/log4j2.xml" -cp "$jars/*")

if [ ! -e "$data/logs/meta.properties" ]; then
  # shellcheck disable=SC2086
  "${java_kafka[@]}" kafka.tools.StorageTool format --cluster-id 4L6g3nShT-eMCtK--X86sw --config "$data/server.properties" ${KAFKA_FORMAT:-}
fi
exec "${java_kafka[@]}" kafka.Kafka "$data/server.properties"

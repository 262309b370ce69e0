# Starts a Redis server or a sentinel: start.sh state [MASTER] | cache | sentinel
# Servers and sentinels rewrite their configuration when roles change, so it is written once, into the volume, and
# what they have made of it counts from then on.
set -eu
config=/data/redis.conf
if [ ! -f "$config" ]; then
  {
    cat "/etc/redis/$1.conf"
    # Names, not addresses: a container comes back with another address.
    case $1 in
      sentinel) echo "sentinel announce-ip $(hostname)" ;;
      state) echo "replica-announce-ip $(hostname)" ;;
    esac
    [ $# -lt 2 ] || echo "replicaof $2 6379"
  } > "$config.new"
  mv "$config.new" "$config"
fi
case $1 in
  sentinel) exec redis-server "$config" --sentinel ;;
  *) exec redis-server "$config" ;;
esac

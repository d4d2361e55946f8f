# Four ways to begin as user 0.
setpriv --bounding-set -all,+chown checkpoint bounded

setpriv --inh-caps +net_raw \
    setpriv --bounding-set -all,+chown checkpoint inherited

setpriv --securebits +noroot --bounding-set -all,+chown checkpoint number

setpriv --securebits +noroot --inh-caps +net_raw,+setpcap --ambient-caps +net_raw,+setpcap \
    setpriv --bounding-set -all checkpoint ambient

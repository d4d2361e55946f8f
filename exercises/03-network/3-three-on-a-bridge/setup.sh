for name in red green blue; do
    ip netns add $name
done

-- title: Changes of routes
-- description: Routes of the captured machine that were added or removed while it was recorded, in the order of time.
-- description: One to 0.0.0.0/0 or ::/0 is a default route.
-- parameter: limit int 1000 Most rows
-- subject: machine
-- column: destination address
-- column: default_route boolean
-- column: route identifier Its number within the capture
-- column: present_before boolean It was there when the recording began
SELECT c.ts, c.change, c.destination, c.gateway, c.interface_name, c.metric, c.protocol, c.routing_table, c.type,
    c.preferred_source, c.destination IN ('0.0.0.0/0', '::/0') AS default_route, r.added_at IS NULL AS present_before,
    c.capture_id, c.route
FROM route_changes c JOIN routes r ON r.capture_id = c.capture_id AND r.route = c.route
WHERE c.change <> 'present'
ORDER BY c.ts, c.capture_id, c.route
LIMIT $limit

"""What the page of the area `slo` says of its figures."""

NOTES = """
What is not said to be on Knative runs on one machine as `strata serve` runs it. Latency counts from when a request was
due, in open loops with Poisson arrivals and a fixed seed.

`in_deadline`: three members that sleep 5, 10 and 10 ms; one of the latter is 500 ms late on a tenth of the requests,
those with a white picture. All are started, and cut at the deadline. It is 1.5 times the median of the same ensemble
under the same load while no member is late; the load is half of what the ensemble can take with the late work. The
figure is the share of all requests that were answered by the deadline and 10 ms for the way; `.complete` the share of
those answered by all members, among requests that met no late work: neither their own nor that of one which came up to
0.6 s before; `.accuracy_points_lost` what the missing members would cost the shipped ensemble, by its table of measured
accuracies. `.longer` is the same with members of 20, 30 and 20 ms. Each of them computes one request at a time: who
comes less than some 10 ms after another is not answered by all within 1.5 times the median, however it is served,
and at 7 random requests a second that is one in 15.

`goodput`: two members that sleep 20 and 30 ms are offered twice what they can take, with a deadline of 200 ms, in
three ways that take turns: refuse what would be late, start the best subset that fits, start all. `goodput` is
answers of all members in time a second over the capacity where late requests are refused; `.subset` and `.start` are
answers of any members. `refusal_ms` counts from when the request was due. `accepted_late` is the share of what was
not refused that was not answered in time. `subset_misses` divides requests accepted and not answered in time, with
the subset chosen first, by those where all members start and are waited for; `.with_refusals` counts what was refused
as missed.

`fleet`: not measured but simulated, by the front door's own forecasts and choices before pods that Knative's rules
start and stop: 1000 models in ensembles of three, 10 000 requests a second for a minute, popular ones and others (Zipf,
2.2), 20 ms a call on average, a deadline of 200 ms, subsets where something would be late; 2000 CPUs and 1000
GB, 300 MB and 3 s a start for each pod. With `--quick` a tenth of all that, for 20 s. `.in_deadline` and `.complete`
are shares of all requests, answered by any members or all; `.cold_share` asked a member that had to start; `.kept_` is
the same with a pod of each model kept. `.goodput` is the `goodput` of two sleeping members as simulated, from what they
can take and when requests came alone, and `.goodput_error` how far from the measured one.

`queued_bytes`: what each of 24 more requests that wait adds to the resident memory of the front door, over its file,
where six wait already, and as many have waited before on the same connection.

`batching.throughput`: AlexNet as a service of one thread, asked directly by eight users, each of whom sends a
picture, waits for its scores, and sends the next: answers a second with batching as it was chosen when the model was
compiled, over those without; `.NAME` the same of other models at full size, `.worst` the least of all.
`batching.largest.NAME` is what was chosen, 1 being off. `batching.added_ms`: how much later the median answer is for
one user alone.

`floor_ratio.embedded`: what an ensemble of members that sleep 100, 60 and 40 ms adds to the slowest, over what bare
hops add: gRPC servers in as many processes that pass the same bytes on, rest as long, and do nothing else. Medians of
20 requests, in turns; `.overhead_ms` and `.floor_ms` are both in ms. `floor_ratio.knative`: the same where each
member is a Knative Service with a pod that runs; the bare hops are Services, too, and a server that hands the bytes
to a Ray Serve handle.

`cold_ratio`, on Knative: the time from a request to its answer where no pod runs, of each full-size model over hello
world, both limited to one CPU, the worst model's; `cold_s.NAME` of all in s. `cold_ratio.pool` is that of the slowest
model through the front door, where a spare pod answers while the model starts; that pod holds `.idle_gb` all the
time. `cold_chain.ensemble`: the three models' ensemble from zero over the larger of the slowest alone from zero
(`.slowest_s`) and the CPU time that all three take until they have answered, over the node's cores (`.work_s`).
`cold_chain.hello`: three hello worlds at once from zero over one, what the cluster itself takes for three pods.

`idle_cost`, on Knative: the shipped ensemble, one request in five minutes, the chart's defaults: what its members'
pods hold of the memory, over time (`.gb_s` of each request), over that of pods that are kept (`min: 1`), both at
once. It is the working set that kubelet measures, with Knative's container in each pod, until the pod has gone.
`.pod_s` is how long each member's pod was there, `.answer_s` the answer from zero. `.front_gb` is what stays: the
front door with its Ray head. The chart's defaults have no store and no database.

`int8_member`, on one thread of this machine's instruction set, batch 1: ResNet-50 with random weights, as a model
file declares it in float and in int8, each compiled for its fastest runtime: passes in turns, and `.bytes` of the
compiled folders. `.NAME` are the shipped ensemble's members, small networks for small pictures, calibrated on the
shipped pictures; `.accuracy_drop` is the most that one of them loses on held-out ones, in points.

`receipt_error`: MobileNetV2 at full size in a control group of its own. The sum of what receipts state as usage
against what the kernel counted: the largest error of batch 1 alone, batch 32 alone, either batch in turns (`.turns_N`),
both at once (`.mixed`), and each of the two at once (`.mixed_N`) against what the kernel counted of the same requests
in turns: a small one takes more after a large one, which leaves the caches to it, than after its like. `receipt_gap`:
allocations, and what is on no receipt, against the kernel's count over the whole life of the process; what it spends
after its last words is in none. `metering_cost`: the meter, the ledger, the header and the line in the log, over the
median latency at batch 1.

`verdict_agreement`: the verdicts of `strata load` and of MLPerf LoadGen's Server scenario on one ensemble of two
members that sleep 20 and 30 ms, p99 of 150 ms, at ten loads around the highest that a search as that of `strata load
--find` found inside that limit: on how many of them both say that it is kept, or neither. The two take turns, each
with its own Poisson arrivals and as many queries. `verdict_agreement.limit` is the limit in requests a second,
`.load.N` each load. `.ours.N` and `.loadgen.N` are 1 where it was said to be kept, `.late` how many of the queries
were late. Both take the same number of late ones; of 1500 six. Where a load's true share of late ones is about one
in a hundred, the two runs' chance decides, and the verdicts may differ, as on AVX512-VNNI at one load.

`soak`: the shipped ensemble for `soak.minutes`, four requests of a picture a second over gRPC and one of eight over
HTTP, while a member's process is killed each minute. `.wrong`: answers that are none, and complete ones that are
right about a picture where the first was not, or the other way round; `.lost`: requests without an answer;
`.memory_growth`: of the front door, from the second fifth of the time to the last. `.complete`: the share that all
members answered.
"""

using Npgsql;
using RabbitMQ.Client;

namespace Jobs.Tests.Faults;

/// <summary>What can go wrong with transactions beside a process that dies: messages, the database, its limits, time.</summary>
[Collection(ServersCollection.Name)]
public sealed class TransactionFaults(ServersFixture fixture, ITestOutputHelper output)
{
    private static readonly TimeSpan OftenWatched = TimeSpan.FromSeconds(2);

    [Fact]
    public async Task Answers_that_are_lost_doubled_late_and_out_of_order_mix_no_outcome()
    {
        await using var clearing = await Clearing.OpenAsync(fixture.Servers, output, OftenWatched);
        await clearing.MakeQueueAsync();
        clearing.StartService("participant", more: "--Concurrency=20");
        await clearing.BeginAsync(60);
        var said = await TakeAsync(clearing, "jobs.transaction_branch where verb = 'prepare'");

        // A third of the votes is lost, the others come in any order, some more than once.
        clearing.Hold("commit", "abort", "undo");
        await PublishAsync(clearing, said[(said.Count / 3)..]);
        var coordinator = clearing.StartService("coordinator");
        await Eventually.HoldsAsync("some are decided", async () => await clearing.Arena.CountAsync("jobs.transaction_decision") > 5); // those that wait take the participant's slots
        await PublishAsync(clearing, said); // votes after the decision: that nobody takes them for what was asked last
        await Eventually.HoldsAsync("they are heard", async () => await clearing.Arena.Broker.DepthAsync(Jobs.Transactions.Bus.Queue) == 0);
        await clearing.Arena.KillAsync(coordinator);
        Assert.Equal(0, await clearing.Arena.CountAsync("jobs.transaction_branch b join jobs.transaction t on t.id = b.transaction_id where t.mode = 'twoPhase' and b.ended_at is not null"));
        clearing.Release("commit", "abort", "undo");
        var done = await TakeAsync(clearing, "jobs.transaction_branch where state in ('committing', 'aborting')");

        // The same with what came of the decision, and votes come again after it.
        await PublishAsync(clearing, [.. done[(done.Count / 3)..], .. said]);
        clearing.StartService("coordinator");
        clearing.StartService("coordinator");
        await Eventually.HoldsAsync("half of them have ended", async () => await clearing.InStateAsync("committed", "aborted") > clearing.Count / 2);
        await PublishAsync(clearing, [.. done, .. said]);
        await clearing.AssertAsync();
    }

    [KillsServersFact]
    public async Task Postgres_killed_in_each_phase_mixes_no_outcome()
    {
        await using var clearing = await Clearing.OpenAsync(fixture.Servers, output);
        clearing.StartService();
        clearing.StartService();
        await KilledWhileAsync("they prepare", ["prepare", "note", "run"], async () => await clearing.Arena.CountAsync("jobs.job where state = 'running' and type like 'branch.%'") >= 15);
        await KilledWhileAsync("they are prepared and undecided", ["note"], async () => await clearing.PreparedAsync() >= 20);
        await KilledWhileAsync("they are decided", ["commit", "abort", "undo"], async () => await clearing.InStateAsync("committing") >= 9 && await clearing.InStateAsync("aborting") >= 3);
        await using (clearing.Start(callers: 16))
        {
            for (var kills = 0; kills < Tally.Scale; kills++)
            {
                var ended = await clearing.InStateAsync("committed", "aborted");
                await Eventually.HoldsAsync("some end", async () => await clearing.InStateAsync("committed", "aborted") > ended + 20);
                await clearing.Arena.Servers.KillAsync(Server.Postgres);
                await clearing.Arena.StartAsync(Server.Postgres);
            }
        }

        await clearing.AssertAsync();

        async Task KilledWhileAsync(string phase, string[] held, Func<Task<bool>> reached)
        {
            clearing.Hold(held);
            await clearing.BeginAsync(24);
            await Eventually.HoldsAsync(phase, reached);
            await clearing.Arena.Servers.KillAsync(Server.Postgres);
            clearing.Release(held);
            await clearing.Arena.StartAsync(Server.Postgres);
            await clearing.EndAsync();
        }
    }

    [KillsServersFact]
    public async Task The_broker_killed_in_every_phase_mixes_no_outcome_and_what_was_begun_without_it_ends_too()
    {
        await using var clearing = await Clearing.OpenAsync(fixture.Servers, output, OftenWatched);
        await Clearing.CoordinatesAsync(clearing.StartService(more: "--Concurrency=80"));
        await Clearing.CoordinatesAsync(clearing.StartService(more: "--Concurrency=80"));
        await clearing.HoldInEachPhaseAsync();
        var ended = await clearing.InStateAsync("committed", "aborted");

        // The calls return while nobody takes their answers.
        await clearing.Arena.Servers.KillAsync(Server.RabbitMq);
        await Assert.ThrowsAnyAsync<Exception>(() => clearing.Arena.Broker.DepthAsync());
        clearing.ReleaseAll();
        await Eventually.HoldsAsync("the participants have done what they were asked", async () => await clearing.DebitsAsync() == 6 && await clearing.PreparedAsync() > 20);
        await clearing.BeginAsync(24);
        Assert.Equal(ended, await clearing.InStateAsync("committed", "aborted")); // else it was killed too late
        await clearing.Arena.StartAsync(Server.RabbitMq);
        await using (clearing.Start(callers: 16))
        {
            await Eventually.HoldsAsync("those and others end", async () => await clearing.InStateAsync("committed", "aborted") > ended + 60);
        }

        await clearing.AssertAsync();
    }

    [SignalsFact]
    public async Task A_service_that_is_taken_for_dead_and_wakes_in_the_middle_of_everything_changes_nothing_that_others_have_done()
    {
        await using var clearing = await Clearing.OpenAsync(fixture.Servers, output, OftenWatched, ttlSeconds: 5);
        var sleeper = clearing.StartService(more: "--Concurrency=80");
        await Clearing.CoordinatesAsync(sleeper);
        await clearing.HoldInEachPhaseAsync();
        var session = await clearing.Arena.SessionOfAsync(sleeper);

        // It falls asleep with calls of every verb, some of them by then at work in the databases and under way to its own coordinator.
        clearing.Release("prepare");
        await Task.Delay(clearing.Arena.Random.Next(60));
        sleeper.Signal(Signals.Stop);
        clearing.ReleaseAll();
        clearing.StartService(more: "--Concurrency=40");
        clearing.StartService(more: "--Concurrency=40");
        await Eventually.HoldsAsync("it is taken for dead", async () => await clearing.Arena.CountAsync("jobs.session where id = $1", session) == 0);
        await clearing.BeginAsync(24);
        await Eventually.HoldsAsync("others go on without it", async () => await clearing.InStateAsync("committed", "aborted") > clearing.Count / 4); // many tickets lie in its ears, and are sent again after a while

        sleeper.Signal(Signals.Continue);
        await Eventually.HoldsAsync("it takes part again", async () => await clearing.Arena.SessionOfAsync(sleeper) is var s && s != default && s != session);
        await Eventually.HoldsAsync("its late ends were refused", () => sleeper.Refused > 26);
        await clearing.BeginAsync(24);
        await clearing.AssertAsync();
    }

    [Fact]
    public async Task Without_room_for_all_that_want_to_prepare_no_transaction_waits_for_another_for_ever()
    {
        await using var clearing = await Clearing.OpenAsync(fixture.Servers, output);
        var service = clearing.StartService();
        var fill = new Stack<string>();
        while (await FillAsync($"{clearing.Arena.Schema}-{fill.Count}"))
        {
            fill.Push($"{clearing.Arena.Schema}-{fill.Count}");
        }

        // With room for six, thirty of which each wants two: those that have one must not wait for those that have the other.
        await FreeAsync(6);
        var ids = await clearing.BeginAsync(30, timeout: TimeSpan.FromMinutes(10), onlyTwoPhase: true);
        await Eventually.HoldsAsync("there is no room", () => service.Logged(2153));
        await clearing.EndAsync();
        var ended = await Task.WhenAll(ids.Select(id => clearing.Transactions.GetAsync(id)));
        Assert.Contains(ended, t => t!.Reason?.Contains("max_prepared_transactions", StringComparison.Ordinal) == true);
        await FreeAsync(fill.Count);
        await clearing.BeginAsync(20);
        await clearing.AssertAsync();

        async Task<bool> FillAsync(string gid)
        {
            try
            {
                await using var connection = await clearing.A.OpenConnectionAsync();
                await using var transaction = await connection.BeginTransactionAsync();
                await using var work = new NpgsqlCommand("select pg_current_xact_id()", connection);
                await work.ExecuteNonQueryAsync();
                await using var prepare = new NpgsqlCommand($"prepare transaction '{gid}'", connection);
                await prepare.ExecuteNonQueryAsync();
                return true;
            }
            catch (PostgresException e) when (e.Routine == "MarkAsPreparing")
            {
                return false;
            }
        }

        async Task FreeAsync(int count)
        {
            for (; count > 0; count--)
            {
                await using var rollback = clearing.A.CreateCommand($"rollback prepared '{fill.Pop()}'");
                await rollback.ExecuteNonQueryAsync();
            }
        }
    }

    [Fact]
    public async Task The_sweep_and_aborts_by_hand_race_prepares_and_nothing_is_left_prepared()
    {
        await using var clearing = await Clearing.OpenAsync(fixture.Servers, output);
        await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => Clearing.CoordinatesAsync(clearing.StartService(more: "--AskAfterMs=0"))));
        for (var round = 0; round < 2 * Tally.Scale; round++)
        {
            var held = round % 2 == 0;
            if (held)
            {
                clearing.Hold("abort"); // so that the sweep is the first to roll back, while others still work
            }

            await Task.WhenAll(Enumerable.Range(0, held ? 8 : 40).Select(async n => // calls that are held take slots, of which there are 30
            {
                var id = Assert.Single(await clearing.BeginAsync(1, timeout: TimeSpan.FromMinutes(10), ms: held ? n * 100 : n * 20, onlyTwoPhase: held));
                if (n % 4 == 0)
                {
                    await Eventually.HoldsAsync("it is decided", async () => (await clearing.Transactions.GetAsync(id))!.Commit is not null); // the abort comes too late
                }

                await Task.Delay(clearing.Arena.Random.Next(600));
                await clearing.AbortAsync(id);
            }));
            await Eventually.HoldsAsync("the sweep has ended what is prepared", async () => await clearing.PreparedAsync() == 0);
            clearing.Release("abort");
        }

        await clearing.AssertAsync();
    }

    [Fact]
    public async Task Who_never_answers_is_aborted_at_the_deadline_and_what_it_prepares_afterwards_is_refused()
    {
        await using var clearing = await Clearing.OpenAsync(fixture.Servers, output, OftenWatched);
        var service = clearing.StartService(more: "--Concurrency=20");
        var victims = new[] { clearing.StartService(crashAt: "T6:1"), clearing.StartService(crashAt: "T6:2") }; // decided to abort, and told nobody
        await clearing.BeginAsync(3);
        await clearing.EndAsync();
        clearing.Hold("prepare");
        await clearing.BeginAsync(24, timeout: TimeSpan.FromSeconds(4), onlyTwoPhase: true);
        await clearing.Arena.DieAsync(victims);
        await clearing.EndAsync();
        Assert.False(service.Logged(2152));
        clearing.Release("prepare");
        await Eventually.HoldsAsync("a prepare comes too late", () => service.Logged(2152));
        await clearing.AssertAsync();
    }

    /// <summary>Takes the answers from the queue, once those of all these branches are there.</summary>
    private static async Task<List<BasicGetResult>> TakeAsync(Clearing clearing, string from)
    {
        await Eventually.HoldsAsync("all have answered", async () => await clearing.Arena.Broker.DepthAsync(Jobs.Transactions.Bus.Queue) >= await clearing.Arena.CountAsync(from));
        var messages = await clearing.Arena.Broker.DrainAsync(Jobs.Transactions.Bus.Queue);
        var shuffled = messages.ToArray();
        clearing.Arena.Random.Shuffle(shuffled);
        return [.. shuffled];
    }

    /// <summary>In an order of chance, half of them twice.</summary>
    private static async Task PublishAsync(Clearing clearing, IReadOnlyList<BasicGetResult> messages)
    {
        var all = messages.Concat(messages.Where((_, i) => i % 2 == 0)).ToArray();
        clearing.Arena.Random.Shuffle(all);
        await clearing.Arena.Broker.PublishAsync(all.Select(m => (new BasicProperties(m.BasicProperties), m.Body.ToArray())), Jobs.Transactions.Bus.Queue);
    }
}

using Npgsql;
using NpgsqlTypes;

namespace Jobs.Tests.Engine;

/// <summary>
/// The meters of rates against small models that know every start there was: random rates, times and costs, the same ones in each run. Times are microseconds since 1970.
/// </summary>
public sealed class RateModelTests
{
    private const int Schedules = 25;
    private const int Steps = 250;
    private const double Second = 1e6;
    private const long Start = 1_767_225_600_000_000; // 2026-01-01

    [Trait("Category", "Slow")]
    [Theory]
    [InlineData("token")]
    [InlineData("leaky")]
    [InlineData("fixed")]
    [InlineData("sliding")]
    public async Task Permit_is_given_as_soon_as_the_model_allows_it_and_not_before(string algorithm)
    {
        await using var app = await TestApp.CreateAsync();
        await using var connection = await app.ConnectAsync();
        var waited = 0;
        for (var seed = 0; seed < Schedules; seed++)
        {
            var schedule = Schedule.Random(algorithm, new Random(seed), loans: false);
            var model = new List<(long At, double Cost)>();
            foreach (var (step, n) in (await schedule.RunAsync(app, connection)).Select((s, n) => (s, n)))
            {
                var (earliest, latest) = Allowed(schedule, model, step.Asked, step.Cost);
                Assert.True(step.Permit >= earliest - 2 && step.Permit <= latest + 2, $"{schedule}, step {n}: asked {step.Asked - Start}, permitted {step.Permit - Start}, allowed {earliest - Start} to {latest - Start}");
                model.Add((step.Permit, step.Cost));
                waited += step.Permit > step.Asked ? 1 : 0;
            }
        }

        Assert.InRange(waited, Schedules * Steps / 20, Schedules * Steps * 19 / 20); // some wait and some do not
    }

    [Trait("Category", "Slow")]
    [Theory]
    [InlineData("token")]
    [InlineData("leaky")]
    [InlineData("fixed")]
    [InlineData("sliding")]
    public async Task Bound_holds_for_tokens_that_are_lent_however_late_they_are_used_beside_jobs(string algorithm)
    {
        await using var app = await TestApp.CreateAsync();
        await using var connection = await app.ConnectAsync();
        var (lent, total, most) = (0, 0, 0.0);
        for (var seed = 100; seed < 100 + Schedules; seed++)
        {
            var random = new Random(seed);
            var schedule = Schedule.Random(algorithm, random, loans: true);
            var steps = await schedule.RunAsync(app, connection);
            // At either end of the loan as often as between: that is where bounds are broken.
            var uses = steps.Select(s => (At: s.Permit + (long)(Math.Floor(s.Valid * Second) * (random.Next(3) switch { 0 => 0, 1 => 0.999, _ => random.NextDouble() })), s.Cost)).OrderBy(u => u.At).ToList();
            most = Math.Max(most, Check(schedule, uses));
            (lent, total) = (lent + steps.Count(s => s.Valid > 0), total + steps.Count);
        }

        Assert.InRange(lent, total / 4, total * 3 / 4);
        Assert.InRange(most, 0.9, 1.02); // and it is used, but for microseconds
    }

    /// <summary>When the next start is allowed, from everything that started before: the first time that keeps the bound. Sliding windows are counted in hundredths, which may cost two of them.</summary>
    private static (double Earliest, double Latest) Allowed(Schedule s, List<(long At, double Cost)> before, long asked, double cost)
    {
        double first = before.Count > 0 && s.Algorithm != "fixed" ? Math.Max(asked, before[^1].At) : asked;
        var rate = s.Amount / s.Period;
        switch (s.Algorithm)
        {
            case "token":
                var sum = cost;
                foreach (var (at, c) in Enumerable.Reverse(before))
                {
                    sum += c;
                    first = Math.Max(first, at + ((sum - s.Burst) / rate * Second));
                }

                return (first, first);
            case "leaky":
                first = before.Count > 0 ? Math.Max(first, before[^1].At + (before[^1].Cost / rate * Second)) : first;
                return (first, first);
            case "fixed":
                var period = Math.Max(asked / s.Micros, before.Count > 0 ? before[^1].At / s.Micros : 0);
                period += before.Where(b => b.At / s.Micros == period).Sum(b => b.Cost) + cost > s.Amount ? 1 : 0;
                return (Math.Max(asked, period * s.Micros), Math.Max(asked, period * s.Micros));
            default:
                return (Math.Max(first, Free(s.Micros - 1)), Math.Max(first, Free(s.Micros + (2 * ((s.Micros / 100) + 1)))));

                // The first time at which what started less than so long before leaves room.
                double Free(long window)
                {
                    var held = cost;
                    foreach (var (at, c) in Enumerable.Reverse(before))
                    {
                        held += c;
                        if (held > s.Amount)
                        {
                            return at + window;
                        }
                    }

                    return 0;
                }
        }
    }

    /// <returns>The largest part of what is allowed that was used in any window.</returns>
    private static double Check(Schedule s, List<(long At, double Cost)> uses)
    {
        var (largest, rate) = (0.0, s.Amount / s.Period);
        for (var i = 0; i < uses.Count; i++)
        {
            var (sum, top) = (0.0, 0.0);
            for (var j = i; j < uses.Count; j++)
            {
                (sum, top) = (sum + uses[j].Cost, Math.Max(top, uses[j].Cost));
                var window = uses[j].At - uses[i].At;
                var allowed = s.Algorithm switch
                {
                    "token" => (rate * window / Second) + s.Burst,
                    "leaky" => (rate * window / Second) + top,
                    "fixed" => uses[i].At / s.Micros == uses[j].At / s.Micros ? s.Amount : double.MaxValue,
                    _ => window < s.Micros - 2 ? s.Amount : double.MaxValue,
                };
                Assert.True(sum <= allowed + (4 * rate / Second) + 1e-6, $"{s}: {sum} used in {window} us, from {uses[i].At - Start}; at most {allowed}");
                largest = Math.Max(largest, sum / allowed);
            }
        }

        return largest;
    }

    private sealed record Step(long Asked, double Cost, long Permit, double Valid);

    private sealed record Schedule(string Algorithm, double Amount, double Period, double Burst, double Block, double Alone)
    {
        private readonly long[] _times = new long[Steps];
        private readonly double[] _costs = new double[Steps];
        private readonly bool[] _loans = new bool[Steps];

        /// <summary>The period; a whole number.</summary>
        public long Micros => (long)Math.Round(Period * Second);

        /// <summary>Periods of 50 ms to 5 s, up to 5,000 a second, asked for at about that pace, in bursts and after rests.</summary>
        public static Schedule Random(string algorithm, Random random, bool loans)
        {
            var period = random.Next(50, 5000) / 1000.0;
            var amount = (double)random.Next(4, 1 + (int)Math.Max(5, Math.Min(400, 5000 * period)));
            var schedule = new Schedule(algorithm, amount, period, random.Next(2) == 0 ? random.Next(1, 10) : random.Next(10, 400), random.Next(20, 80) / 1000.0, random.Next(2, 10) / 1000.0);
            var (now, pace, largest) = ((double)Start, 1.0, algorithm == "token" ? Math.Max(1, (int)Math.Min(4, schedule.Burst / 2)) : 4);
            for (var n = 0; n < Steps; n++)
            {
                pace = n % 25 == 0 ? Math.Pow(10, (random.NextDouble() * 2) - 1.2) : pace;
                schedule._costs[n] = random.Next(1, largest + 1);
                now += n % 60 == 59 ? period * Second * (1 + random.NextDouble()) : random.NextDouble() * 2 * period / amount * Second * schedule._costs[n] * pace;
                schedule._times[n] = (long)now;
                schedule._loans[n] = loans && random.Next(2) == 0;
            }

            return schedule;
        }

        /// <summary>All in one statement: jobs.permit for jobs, with what is kept back for loans, and jobs.lend for apps.</summary>
        public async Task<List<Step>> RunAsync(TestApp app, NpgsqlConnection connection)
        {
            await using var command = new NpgsqlCommand(app.InSchema("""
                with recursive step as (
                  select 0 as n, 0::float8 as level, null::timestamptz as at, null::float4[] as segments, 0::float8 as lent, null::timestamptz as permit, 0::float8 as valid
                  union all
                  select s.n + 1, x.level, x.at, x.segments, x.lent, x.permit, x.valid from step s cross join lateral (
                    select p.level, p.at, p.segments, s.lent, p.permit, 0::float8 as valid
                    from jobs.permit($1, $2, jobs.period_of($1, $3, s.lent), jobs.burst_of($1, $2, $3, $4, s.lent), s.level, s.at, s.segments, 'epoch'::timestamptz + $5[s.n + 1] * interval '1 microsecond', $6[s.n + 1]) p
                    where not $7[s.n + 1]
                    union all
                    select l.level, l.at, l.segments, l.lent, l.permit, l.valid
                    from jobs.lend($1, $2, $3, $4, s.level, s.at, s.segments, s.lent, 'epoch'::timestamptz + $5[s.n + 1] * interval '1 microsecond', $6[s.n + 1], $8, $9) l
                    where $7[s.n + 1]) x
                  where s.n < cardinality($5)
                )
                select (extract(epoch from permit) * 1000000)::bigint, valid from step where n > 0 order by n
                """), connection)
            {
                Parameters =
                {
                    new() { Value = Algorithm }, new() { Value = Amount }, new() { Value = Period }, new() { Value = Burst },
                    new() { Value = _times, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bigint }, new() { Value = _costs }, new() { Value = _loans }, new() { Value = Block }, new() { Value = Alone },
                },
            };
            var steps = new List<Step>();
            await using var reader = await command.ExecuteReaderAsync();
            while (await reader.ReadAsync())
            {
                steps.Add(new Step(_times[steps.Count], _costs[steps.Count], reader.GetInt64(0), reader.GetDouble(1)));
            }

            Assert.Equal(Steps, steps.Count);
            return steps;
        }
    }
}

namespace Jobs.Tests.Engine;

/// <summary>What each algorithm of a rate promises, for random times and costs asked of the very function that claims use.</summary>
public sealed class RateAlgorithmTests
{
    private const int Steps = 400;
    private const double Micro = 2e-6; // times have a microsecond

    /// <summary>Rates that are no round number of microseconds too; steps of about the pace, so that some wait and some do not.</summary>
    public static TheoryData<string, double, double, double> Rates => new()
    {
        { "token", 10, 1, 5 }, { "token", 1, 3, 1 }, { "token", 5000, 1, 20 },
        { "leaky", 10, 1, 1 }, { "leaky", 7, 3, 1 }, { "leaky", 5000, 1, 1 },
        { "fixed", 10, 1, 1 }, { "fixed", 7, 0.3, 1 },
        { "sliding", 10, 1, 1 }, { "sliding", 7, 0.3, 1 },
    };

    [Trait("Category", "Slow")]
    [Theory]
    [MemberData(nameof(Rates))]
    public async Task No_window_of_any_length_lets_more_through_than_the_algorithm_promises(string algorithm, double amount, double period, double burst)
    {
        await using var app = await TestApp.CreateAsync();
        var random = new Random(algorithm.Length + (int)amount);
        var passed = new List<(double At, double Cost)>();
        await using var connection = await app.ConnectAsync();
        var (level, at, segments, now) = (0.0, (DateTime?)null, (float[]?)null, new DateTime(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc));
        var start = now;
        for (var n = 0; n < Steps; n++)
        {
            now = now.AddSeconds(random.NextDouble() * 2 * period / amount * (n % 50 == 0 ? 100 : 1)); // now and then a long rest
            var cost = Math.Min(random.Next(1, 4), algorithm == "token" ? burst : amount);
            await using var command = new Npgsql.NpgsqlCommand(app.InSchema("select level, at, segments, permit from jobs.permit($1, $2, $3, $4, $5, $6, $7, $8, $9)"), connection)
            {
                Parameters =
                {
                    new() { Value = algorithm }, new() { Value = amount }, new() { Value = period }, new() { Value = burst }, new() { Value = level },
                    new() { Value = (object?)at ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.TimestampTz },
                    new() { Value = (object?)segments ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Array | NpgsqlTypes.NpgsqlDbType.Real }, new() { Value = now }, new() { Value = cost },
                },
            };
            await using var reader = await command.ExecuteReaderAsync();
            Assert.True(await reader.ReadAsync());
            (level, at, segments) = (reader.GetDouble(0), reader.GetDateTime(1), reader.IsDBNull(2) ? null : reader.GetFieldValue<float[]>(2));
            var permit = reader.GetDateTime(3);
            Assert.True((permit - now).TotalSeconds >= -Micro, $"step {n}: permitted at {permit:O}, asked at {now:O}");
            passed.Add(((permit - start).TotalSeconds, cost));
        }

        Assert.Equal(passed.Select(p => p.At).Order(), passed.Select(p => p.At));
        Assert.Contains(passed.Zip(passed.Skip(1)), p => p.Second.At - p.First.At > Micro); // it let time pass
        for (var i = 0; i < passed.Count; i++)
        {
            var sum = 0.0;
            for (var j = i; j < passed.Count; j++)
            {
                sum += passed[j].Cost;
                var window = passed[j].At - passed[i].At;
                var most = algorithm switch
                {
                    "token" => (amount / period * window) + burst,
                    "leaky" => (amount / period * window) + passed[j].Cost, // what came before the last one has drained
                    "fixed" => amount * (Math.Floor(window / period) + 2),
                    _ => window < period - Micro ? amount : double.MaxValue,
                };
                Assert.True(sum <= most + (Micro * amount / period) + 1e-6, $"{sum} in {window} s from step {i} to {j}; at most {most}");
            }
        }
    }

    [Trait("Category", "Slow")]
    [Theory]
    [InlineData("token", 5)]
    [InlineData("leaky", 1)]
    [InlineData("fixed", 1)]
    [InlineData("sliding", 1)]
    public async Task Nearly_all_of_the_rate_is_used_while_there_is_work(string algorithm, double burst)
    {
        await using var app = await TestApp.CreateAsync();
        var rate = await app.ScalarAsync<double>("""
            with recursive step as (
              select 0 as n, p.level, p.at, p.segments, p.permit from jobs.permit($1, 100::float8, 1::float8, $2, 0::float8, null, null, '2026-01-01 UTC'::timestamptz, 1::float8) p
              union all
              select s.n + 1, p.level, p.at, p.segments, p.permit from step s cross join lateral jobs.permit($1, 100::float8, 1::float8, $2, s.level, s.at, s.segments, s.permit, 1::float8) p where s.n < 5000
            )
            select (max(n) / extract(epoch from max(permit) - min(permit)))::float8 from step
            """, algorithm, burst);
        Assert.InRange(rate, 98, 102);
    }
}

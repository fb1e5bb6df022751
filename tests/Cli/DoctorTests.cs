using Jobs.Tests.Engine;

namespace Jobs.Tests.Cli;

public sealed class DoctorTests
{
    [Fact]
    public async Task Branches_that_are_prepared_in_a_participants_database_for_long_are_found_and_others_are_not()
    {
        await using var app = await TestApp.CreateAsync();
        await using var connection = await app.ConnectAsync();
        var gid = $"jobs:{app.Schema}:{Guid.NewGuid()}:1";
        await using (var prepare = new Npgsql.NpgsqlCommand($"begin; select 1; prepare transaction '{gid}'", connection))
        {
            await prepare.ExecuteNonQueryAsync();
        }

        try
        {
            var found = await PreparedAsync("--prepared-longer", "1ms");
            Assert.Equal(("bad", 1), (found.GetProperty("verdict").GetString(), found.GetProperty("value").GetInt32()));
            Assert.Contains(gid, found.GetProperty("text").GetString(), StringComparison.Ordinal);
            Assert.Equal("ok", (await PreparedAsync("--prepared-longer", "1h")).GetProperty("verdict").GetString());
        }
        finally
        {
            await using var end = new Npgsql.NpgsqlCommand($"rollback prepared '{gid}'", connection);
            await end.ExecuteNonQueryAsync();
        }

        Assert.Equal("ok", (await PreparedAsync("--prepared-longer", "1ms")).GetProperty("verdict").GetString());
        var away = await app.RunAsync("doctor", "--json", "--participant", "Host=127.0.0.1;Port=1;Username=u;Database=d");
        Assert.Contains("A participant's database does not answer", away.Out, StringComparison.Ordinal);
        Assert.Equal(4, away.Exit);

        async Task<System.Text.Json.JsonElement> PreparedAsync(params string[] more)
        {
            var answer = await app.RunAsync(["doctor", "--json", "--participant", app.Servers.Postgres, .. more]);
            return answer.Json.GetProperty("checks").EnumerateArray().Single(c => c.GetProperty("name").GetString() == "prepared");
        }
    }
}

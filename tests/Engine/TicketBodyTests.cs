using System.Text;
using Jobs.RabbitMq;

namespace Jobs.Tests.Engine;

public sealed class TicketBodyTests
{
    private const string Id = "0190a2b3-c4d5-7e6f-8a9b-0c1d2e3f4a5b";

    [Theory]
    [InlineData(1)]
    [InlineData(int.MaxValue)]
    public void Ticket_comes_back_as_it_was_written(int dispatch)
    {
        var id = JobId.New();
        var body = new byte[TicketBody.MaxLength];
        var length = TicketBody.Write(body, id, dispatch);
        Assert.Equal($"{id} {dispatch}", Encoding.ASCII.GetString(body, 0, length));
        Assert.True(TicketBody.TryRead(body.AsSpan(0, length), out var readId, out var readDispatch));
        Assert.Equal((id, dispatch), (readId, readDispatch));
        Assert.False(TicketBody.TryReadMarker(body.AsSpan(0, length), out _));
    }

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData(Id)]
    [InlineData(Id + " ")]
    [InlineData(Id + " 0")]
    [InlineData(Id + " -1")]
    [InlineData(Id + " 1 ")]
    [InlineData(Id + " 1\n")]
    [InlineData(Id + " 1.5")]
    [InlineData(Id + " 2147483648")]
    [InlineData(Id + " 99999999999999999999")]
    [InlineData(Id + "  1")]
    [InlineData(Id + "\t1")]
    [InlineData(" " + Id + " 1")]
    [InlineData("{" + Id + "} 1")]
    [InlineData("0190a2b3c4d57e6f8a9b0c1d2e3f4a5b 1")]
    [InlineData("0190a2b3-c4d5-7e6f-8a9b-0c1d2e3f4a5g 1")]
    [InlineData("marker 12.5")]
    [InlineData("{\"id\":1}")]
    public void Garbage_is_not_a_ticket(string body) => Assert.False(TicketBody.TryRead(Encoding.UTF8.GetBytes(body), out _, out _));

    [Theory]
    [InlineData(1764000000.123456)]
    [InlineData(1764000000)]
    [InlineData(0.1)]
    public void Marker_comes_back_to_the_last_digit(double seconds)
    {
        var body = TicketBody.Marker(seconds);
        Assert.True(TicketBody.TryReadMarker(body, out var read));
        Assert.Equal(seconds, read);
        Assert.False(TicketBody.TryRead(body, out _, out _));
    }

    [Theory]
    [InlineData("")]
    [InlineData("marker")]
    [InlineData("marker ")]
    [InlineData("marker x")]
    [InlineData("marker 0")]
    [InlineData("marker -5")]
    [InlineData("marker NaN")]
    [InlineData("marker Infinity")]
    [InlineData("marker 1e300")]
    [InlineData("marker 1764000000 ")]
    [InlineData("Marker 1764000000")]
    [InlineData(Id + " 1")]
    public void Garbage_is_not_a_marker(string body) => Assert.False(TicketBody.TryReadMarker(Encoding.UTF8.GetBytes(body), out _));

    [Fact]
    public void Random_bytes_are_neither_and_never_throw()
    {
        var random = new Random(7);
        for (var i = 0; i < 20_000; i++)
        {
            var body = new byte[random.Next(64)];
            random.NextBytes(body);
            Assert.False(TicketBody.TryRead(body, out _, out _) || TicketBody.TryReadMarker(body, out _));
        }
    }
}

console.log('upstream: not written yet');
